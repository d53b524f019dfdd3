//! A voicemail: a sentence, a tone, and what the caller says is kept for the business, whether or not the store answers
//! at that moment.
//!
//! Twilio tells of a recording by two requests, one in the call and one beside it. Each alone is enough, and they may come
//! in any order, twice, and to any instance.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use url::form_urlencoded;

use super::answer::{ENGLISH, Parties, Spoken, say};
use super::limits::in_the_end_of;
use super::signed::Signed;
use super::{App, paths};
use crate::domain::{
    About, AccountSid, Business, BusinessId, CallSid, Fallback, Notice, PhoneNumber, Pii, RecordingSid, Said,
    Sentence, Voicemail,
};
use crate::store::StoreError;
use crate::wire::twilio::form::{Pairs, Recorded, RecordingStatus};
use crate::wire::twilio::twiml::{Record, Verb};

/// The longest message, in seconds: nobody listens to more in one piece, and whoever forgets to hang up is not recorded
/// for an hour.
const LONGEST_S: u32 = 180;

/// How much silence ends a message, in seconds: long enough to look a number up, short enough for those who wait for an
/// answer.
const SILENCE_S: u32 = 10;

/// The key that ends it, which every telephone's menu uses for that.
const LAST_KEY: &str = "#";

/// How much of a number or SIP address goes into a URL, in characters: a number has 16, and Twilio's limit for URLs is
/// some thousands.
const LONGEST_ADDRESS: usize = 255;

/// Before the second try to keep a voicemail and those after it: a quarter of an hour, in which a store is restarted or
/// comes back by itself. After that the recording is at Twilio alone.
const PAUSES: [Duration; 8] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
    Duration::from_secs(400),
];

/// How our own URLs say for whom a message was left, by whom, and on which line. What beside the call tells of a recording
/// says none of it, and the ledger may never have heard of the call.
const BUSINESS: &str = "businessId";
const FROM: &str = "from";
const TO: &str = "to";

/// And in which language, where it is not English.
const LANGUAGE: &str = "language";

/// The `action` of `<Record>`: something was said, and the caller may still be there.
pub(super) async fn left(State(app): State<Arc<App>>, request: Signed<Recorded>) -> Spoken {
    let envelope = Envelope::read(request.query());
    let recorded = request.into_form();
    let is_over = recorded.status.is_over();
    let thanks = Sentence::Thanks.in_language(&envelope.language);
    app.receive(recorded, envelope);
    if is_over { Spoken::hang_up() } else { Spoken::last(thanks) }
}

/// The status callback of a recording.
pub(super) async fn recorded(State(app): State<Arc<App>>, request: Signed<Recorded>) -> StatusCode {
    let envelope = Envelope::read(request.query());
    let recorded = request.into_form();
    match &recorded.outcome {
        RecordingStatus::Completed => app.receive(recorded, envelope),
        RecordingStatus::Absent => {
            tracing::info!(call.id = %recorded.call, twilio.error = recorded.error, "a caller left no voicemail: it was silent, or too short");
        }
        RecordingStatus::Failed => {
            tracing::error!(call.id = %recorded.call, twilio.error = recorded.error, "Twilio could not record a voicemail; see https://www.twilio.com/docs/api/errors");
        }
        RecordingStatus::InProgress | RecordingStatus::Other(_) => {
            tracing::debug!(call.id = %recorded.call, status = recorded.outcome.as_str(), "recording status");
        }
    }
    StatusCode::NO_CONTENT
}

/// What our own URL says of a recording.
#[derive(Debug, Clone)]
struct Envelope {
    business: Option<BusinessId>,
    language: String,
    from: Pii<String>,
    to: Pii<String>,
}

impl Envelope {
    fn read(query: &Pairs) -> Self {
        let said = |name| Pii::new(query.first(name).unwrap_or_default().to_owned());
        let business = query.first(BUSINESS).and_then(|id| BusinessId::parse(id).ok());
        let language = query.first(LANGUAGE).unwrap_or(ENGLISH).to_owned();
        Self { business, language, from: said(FROM), to: said(TO) }
    }
}

/// A recording that is to be somebody's.
struct Left {
    call: CallSid,
    account: AccountSid,
    recording: RecordingSid,
    url: Pii<String>,
    length_ms: u64,
    at_ms: i64,
    envelope: Envelope,
}

/// Whose voicemail it is.
struct Owner {
    business: BusinessId,
    /// Whether it wants to be told.
    tells: bool,
    from: Pii<String>,
    to: Pii<String>,
}

impl App {
    /// A sentence of the business's own, or else this one; a tone, and what the caller says is kept for it.
    pub(super) fn take_voicemail_for(
        &self,
        business: &Business,
        otherwise: Sentence,
        parties: Parties<'_>,
    ) -> Spoken {
        let language = &business.language;
        let said = match &business.fallback {
            Some(Fallback::Voicemail(sentence)) => Said::of_business(sentence, language),
            Some(Fallback::Transfer(_) | Fallback::Message(_)) | None => otherwise.in_language(language),
        };
        self.take_voicemail(said, language, Some(&business.id), parties)
    }

    /// A sentence, a tone, and what the caller says is kept for this business; for the owner of the line, when nobody can
    /// say yet who that is.
    pub(super) fn take_voicemail(
        &self,
        said: Said<'_>,
        language: &str,
        business: Option<&BusinessId>,
        Parties { from, to }: Parties<'_>,
    ) -> Spoken {
        let short = |text: &Pii<String>| text.reveal().chars().take(LONGEST_ADDRESS).collect::<String>();
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(business) = business {
            query.append_pair(BUSINESS, business.as_str());
        }
        if language != ENGLISH {
            query.append_pair(LANGUAGE, language);
        }
        let query = query.append_pair(FROM, &short(from)).append_pair(TO, &short(to)).finish();
        let url = |path| format!("{}?{query}", self.public_url.join(path));
        let record = Record {
            action: url(paths::VOICEMAIL),
            status_callback: url(paths::RECORDING),
            max_length_s: LONGEST_S,
            timeout_s: SILENCE_S,
            finish_on_key: LAST_KEY.to_owned(),
            play_beep: true,
        };
        // Twilio asks nothing when nothing was said, and goes on behind it.
        let nothing_heard = Sentence::NothingHeard.in_language(language);
        let verbs = [say(said), Verb::Record(Box::new(record)), say(nothing_heard), Verb::Hangup];
        Spoken::verbs(verbs.into())
    }

    /// Keeps a voicemail, off everybody's way.
    fn receive(self: &Arc<Self>, recorded: Recorded, envelope: Envelope) {
        let (Some(account), Some(recording), Some(url)) =
            (recorded.account, recorded.recording, recorded.url)
        else {
            tracing::error!(call.id = %recorded.call, "a voicemail is lost: Twilio did not say which recording it is");
            return;
        };
        let left = Left {
            call: recorded.call,
            account,
            recording,
            url,
            length_ms: u64::from(recorded.duration_s.unwrap_or(0)) * 1_000,
            at_ms: (self.clock)(),
            envelope,
        };
        let (app, hard) = (Arc::clone(self), self.tasks.hard().clone());
        self.tasks.spawn("voicemail", async move {
            let keep = in_the_end_of(&PAUSES, "keep a voicemail", || app.keep_voicemail(&left));
            let kept = hard.run_until_cancelled(keep).await.flatten();
            let (call, recording) = (&left.call, &left.recording);
            match kept {
                Some(Some(business)) => {
                    tracing::info!(call.id = %call, business.id = %business, recording.id = %recording, "a voicemail is kept");
                }
                Some(None) => {
                    tracing::error!(call.id = %call, recording.id = %recording, "a voicemail is nobody's: no business has the line that was called; it is kept at Twilio alone");
                }
                None => {
                    tracing::error!(call.id = %call, recording.id = %recording, "a voicemail could not be kept; it is kept at Twilio alone, under that name");
                }
            }
        });
    }

    /// Keeps a voicemail for whomever it is; none when it is nobody's.
    async fn keep_voicemail(&self, left: &Left) -> Result<Option<BusinessId>, StoreError> {
        let Some(Owner { business, tells, from, to }) = self.owner(left).await? else { return Ok(None) };
        let (call, recording) = (left.call.clone(), left.recording.clone());
        let about = About::VoicemailLeft { call: call.clone(), recording: recording.clone() };
        let notice = tells.then(|| Notice::new(business.clone(), about, left.at_ms));
        let voicemail = Voicemail {
            recording,
            call,
            account: left.account.clone(),
            business,
            from,
            to,
            url: left.url.clone(),
            length_ms: left.length_ms,
            left_ms: left.at_ms,
        };
        self.ledger.keep_voicemail(&voicemail, notice.as_ref()).await?;
        Ok(Some(voicemail.business))
    }

    /// The business of the call; of a call nobody could write down, the one our URL names, and else the owner of the line.
    async fn owner(&self, left: &Left) -> Result<Option<Owner>, StoreError> {
        if let Some(record) = self.ledger.call(&left.call).await? {
            let (business, tells) = (record.business, record.tells);
            return Ok(Some(Owner { business, tells, from: record.from, to: record.to }));
        }
        let Envelope { business, from, to, .. } = left.envelope.clone();
        let found = match (business, PhoneNumber::parse(to.reveal())) {
            (Some(id), _) => self.directory.business(&id).await?,
            (None, Ok(line)) => self.directory.business_by_line(&line).await?,
            (None, Err(_)) => None,
        };
        Ok(found.map(|business| {
            let tells = business.webhook.is_some();
            Owner { business: business.id, tells, from, to }
        }))
    }
}

#[cfg(test)]
mod tests;
