//! Voicemails: what callers said when nobody could answer, and its audio, which Twilio keeps.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::{Asked, Ids, Nothing};
use super::document::{Heard, Read};
use super::views::{Voicemail, Wav, Whole};
use super::{READ_PATIENCE, within};
use crate::clients::{Audio, RestError};
use crate::domain::{BusinessId, RecordingSid};
use crate::http::App;
use crate::http::admin::Admin;
use crate::http::problem::{Kind, Problem};
use crate::http::range::{self, Part};

/// When to ask Twilio again that has too much to do: seconds. Its limit is one of concurrency.
const BUSY_RETRY_S: &str = "1";

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_voicemails)).routes(routes!(hear_voicemail))
}

/// Lists the voicemails callers left for a business.
///
/// The newest thousand, the oldest of them first.
#[utoipa::path(
    get, path = "/api/businesses/{businessId}/voicemails", tag = "Calls",
    params(("businessId" = String, Path, description = "For whom", pattern = "^[A-Za-z0-9_.:-]{1,64}$")),
    responses((status = 200, description = "The voicemails", body = Whole<Voicemail>), Read)
)]
async fn list_voicemails(
    _: Admin,
    State(app): State<Arc<App>>,
    Ids(business): Ids<BusinessId>,
    _: Asked<Nothing>,
) -> Result<Json<Whole<Voicemail>>, Problem> {
    let voicemails =
        within(READ_PATIENCE, "list the voicemails of a business", app.ledger.voicemails(&business)).await?;
    if voicemails.is_empty() {
        app.must_know(&business).await?;
    }
    Ok(Json(Whole { items: voicemails.iter().map(Voicemail::from).collect() }))
}

/// Gives the audio of a voicemail.
///
/// A WAV file, passed on from Twilio as it comes.
#[utoipa::path(
    get, path = "/api/businesses/{businessId}/voicemails/{recordingSid}/audio", tag = "Calls",
    params(
        ("businessId" = String, Path, description = "For whom", pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
        ("recordingSid" = String, Path, description = "Twilio's name for it", pattern = "^[A-Za-z0-9_.:-]{1,64}$")
    ),
    responses((status = 200, description = "The audio", body = Wav, content_type = "audio/wav"), Heard)
)]
async fn hear_voicemail(
    _: Admin,
    State(app): State<Arc<App>>,
    Ids((business, recording)): Ids<(BusinessId, RecordingSid)>,
    _: Asked<Nothing>,
) -> Result<Response, Problem> {
    hear(&app, &business, recording, None).await
}

/// The audio of a voicemail of this business; for a player, the part of it that its headers ask for.
pub(in crate::http) async fn hear(
    app: &App,
    business: &BusinessId,
    recording: RecordingSid,
    player: Option<&HeaderMap>,
) -> Result<Response, Problem> {
    let voicemail = app.ledger.voicemail(business, &recording);
    let voicemail = within(READ_PATIENCE, "look up a voicemail", voicemail).await?;
    let Some(voicemail) = voicemail else {
        return Err(Problem::new(Kind::NotFound, format!("{business} has no voicemail {recording}")));
    };
    let Some(twilio) = &app.twilio else {
        return Err(Problem::new(
            Kind::NoTwilio,
            "this deployment has no credentials for Twilio's REST interface",
        ));
    };
    let audio = twilio.recording(&voicemail.account, &recording).await;
    let audio = audio.map_err(|error| unheard(&recording, &error))?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("audio/wav"));
    let size = audio.size().and_then(|size| usize::try_from(size).ok());
    let part = player.zip(size).and_then(|(asked, size)| Part::of(asked, size));
    if let Some(size) = part.map(Part::len).or(size) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
    }
    // A recording's name is letters and digits, which are all legal in a header.
    if let Ok(name) = HeaderValue::try_from(format!("attachment; filename=\"{recording}.wav\"")) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    let (skip, left) = part.map_or((0, usize::MAX), |part| (part.from, part.len()));
    let mut response = (headers, body(Coming { audio, recording, skip, left })).into_response();
    if player.is_some() && size.is_some() {
        range::mark(&mut response, part);
    }
    Ok(response)
}

/// Audio on its way from Twilio, and what of it somebody wants: Twilio is asked for all of it.
struct Coming {
    audio: Audio,
    recording: RecordingSid,
    skip: usize,
    left: usize,
}

/// What comes from Twilio, piece by piece and no faster than it is taken. What breaks off there breaks off here.
fn body(coming: Coming) -> Body {
    Body::from_stream(stream::try_unfold(coming, async |mut coming| {
        while coming.left > 0 {
            let Some(mut piece) = coming.audio.next().await.inspect_err(|error| {
                let recording = &coming.recording;
                tracing::warn!(recording.id = %recording, %error, "the audio of a voicemail broke off");
            })?
            else {
                return Ok::<_, RestError>(None);
            };
            let skipped = piece.split_to(coming.skip.min(piece.len())).len();
            coming.skip -= skipped;
            piece.truncate(coming.left);
            coming.left -= piece.len();
            if !piece.is_empty() {
                return Ok(Some((piece, coming)));
            }
        }
        Ok(None)
    }))
}

fn unheard(recording: &RecordingSid, error: &RestError) -> Problem {
    let problem = |kind| Problem::new(kind, error.to_string());
    match error {
        RestError::Refused { status: 404, .. } => {
            Problem::new(Kind::NotFound, format!("Twilio has no recording {recording} any more"))
        }
        RestError::Refused { status: 429, .. } => {
            problem(Kind::TwilioAway).with_header(RETRY_AFTER, BUSY_RETRY_S)
        }
        error if error.is_temporary() => {
            tracing::warn!(recording.id = %recording, %error, "an operator cannot hear a voicemail");
            problem(Kind::TwilioAway).with_header(RETRY_AFTER, BUSY_RETRY_S)
        }
        RestError::Refused { .. }
        | RestError::Url
        | RestError::Setup(_)
        | RestError::Unreachable(_)
        | RestError::Timeout
        | RestError::Unreadable
        | RestError::TooLarge => {
            tracing::error!(recording.id = %recording, %error, "an operator cannot hear a voicemail");
            problem(Kind::TwilioRefused)
        }
    }
}
