//! What a caller meets: the model, the business's own fallback, or a polite sentence; never silence.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::{App, paths, words};
use crate::bridge::{Begun, Terms};
use crate::call::{Brief, Opening};
use crate::domain::{
    AccountSid, Business, BusinessId, CallRecord, CallSid, Destination, Fallback, MicroDollars, PhoneNumber,
    Pii, Plan, PublicUrl, Said, Sentence, Usage,
};
use crate::registry::{Claim, Slot};
use crate::store::{Answering, StoreError, Whose};
use crate::wire::stream_token::{Pass, VALID_SECONDS};
use crate::wire::twilio::twiml::{ConnectStream, Twiml, Verb, fitting};

/// What a resumed call has left at least, however long it has lasted: enough to say goodbye.
const LEAST_LEFT: Duration = Duration::from_secs(60);

/// How long a destination rings before the caller is told that nobody is there, in seconds: five rings.
const RING_S: u32 = 25;

/// Between two sentences for a caller who is kept on the line, in seconds: longer is taken for a lost call.
const HOLD_PAUSE_S: u32 = 2;

/// While the process that carries calls ends and no other has taken this one yet, one after the other with a pause behind
/// each. They last longer than a restart; no silence among them does longer than two seconds.
const HOLD: [Sentence; 4] =
    [Sentence::OneMoment, Sentence::StayOnTheLine, Sentence::InAMoment, Sentence::ThanksForWaiting];

/// What is spoken to callers of whose business nothing is known.
pub(super) const ENGLISH: &str = "en";

/// How the way back from a resumed stream says which one it was.
pub(super) const ATTEMPT: &str = "attempt";

/// How the way back says that its caller was kept on the line for this stream before.
pub(super) const HELD: &str = "held";

/// TwiML, as an HTTP response Twilio accepts.
pub(super) struct Spoken(Twiml);

impl Spoken {
    /// The end of the call, without a word.
    pub(super) fn hang_up() -> Self {
        Self(Twiml(vec![Verb::Hangup]))
    }

    /// A sentence in English, then the end of the call.
    pub(super) fn goodbye(sentence: &str) -> Self {
        Self::last(Said { text: sentence, say_language: None })
    }

    /// A sentence, then the end of the call.
    pub(super) fn last(said: Said<'_>) -> Self {
        Self(Twiml(vec![say(said), Verb::Hangup]))
    }

    /// One thing after the other.
    pub(super) fn verbs(verbs: Vec<Verb>) -> Self {
        Self(Twiml(verbs))
    }
}

impl IntoResponse for Spoken {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "text/xml; charset=utf-8")], self.0.to_xml()).into_response()
    }
}

/// Who calls whom, as Twilio says it in every one of its requests.
pub(super) struct Leg<'a> {
    /// The call.
    pub(super) call: &'a CallSid,
    /// The account it came from.
    pub(super) account: &'a AccountSid,
    /// Who calls.
    pub(super) from: &'a Pii<String>,
    /// Which line was called.
    pub(super) to: &'a Pii<String>,
}

/// Between whom a call is, as Twilio says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parties<'a> {
    /// Who calls.
    pub(super) from: &'a Pii<String>,
    /// Which line was called.
    pub(super) to: &'a Pii<String>,
}

impl<'a> Parties<'a> {
    /// Those of a call that is kept.
    pub(super) fn of(record: &'a CallRecord) -> Self {
        Self { from: &record.from, to: &record.to }
    }
}

/// Who answers a call, under which plan.
pub(super) struct Answerer {
    pub(super) business: Business,
    pub(super) plan: Plan,
}

/// Why nobody was found to answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Nobody {
    /// No business has this id, or this line.
    #[error("no business has this id or line; see `frontdesk business list`")]
    Unknown,
    /// There is one, but not the plan it names.
    #[error("business {} is on plan {}, which cannot be read", .0.id, .0.plan)]
    NoPlan(Box<Business>),
    /// The store did not answer, and nothing was known from before.
    #[error("the store did not say who answers: {0}")]
    Store(#[source] StoreError),
}

impl App {
    /// The business by its id where one was given, else the one whose line was called.
    pub(super) async fn who_answers(
        &self,
        id: Option<&BusinessId>,
        to: &Pii<String>,
    ) -> Result<Answerer, Nobody> {
        let answering = match id {
            Some(id) => self.directory.answering(Whose::Id(id)).await,
            None => match PhoneNumber::parse(to.reveal()) {
                Ok(line) => self.directory.answering(Whose::Line(&line)).await,
                Err(_) => return Err(Nobody::Unknown),
            },
        };
        let Answering { business, plan } = answering.map_err(Nobody::Store)?.ok_or(Nobody::Unknown)?;
        match plan {
            Ok(Some(plan)) => Ok(Answerer { business, plan }),
            Ok(None) => Err(Nobody::NoPlan(Box::new(business))),
            Err(error) => {
                tracing::warn!(business.id = %business.id, %error, "cannot read the plan of a business");
                Err(Nobody::NoPlan(Box::new(business)))
            }
        }
    }

    /// What a new call is kept as.
    pub(super) fn record(&self, leg: &Leg<'_>, answerer: &Answerer) -> CallRecord {
        CallRecord {
            call: leg.call.clone(),
            account: leg.account.clone(),
            business: answerer.business.id.clone(),
            plan: answerer.plan.id.clone(),
            from: leg.from.clone(),
            to: leg.to.clone(),
            started_ms: (self.clock)(),
            answered_ms: None,
            ended_ms: None,
            ending: None,
            intention: None,
            attempts: 1,
            instance: self.instance.clone(),
            usage: Usage::default(),
            cost: MicroDollars::default(),
            recordings: Vec::new(),
            tells: answerer.business.webhook.is_some(),
        }
    }

    /// What the call knows when this stream of it begins.
    fn brief(&self, answerer: &Answerer, record: &CallRecord, opening: Opening) -> Brief {
        let Answerer { business, plan } = answerer;
        let allowed = Duration::from_secs(u64::from(plan.minutes_per_call) * 60);
        let spent_ms = (self.clock)().saturating_sub(record.started_ms);
        let spent = Duration::from_millis(u64::try_from(spent_ms).unwrap_or(0));
        Brief {
            call: record.call.clone(),
            attempt: record.attempts,
            recorded: business.recording && plan.recording,
            business: business.clone(),
            plan: plan.id.clone(),
            from: record.from.clone(),
            longest: allowed.saturating_sub(spent).max(LEAST_LEFT.min(allowed)),
            began_ms: (self.clock)(),
            opening,
            bridging: None,
        }
    }

    /// Begins a call here: the model is dialled, and waits for the caller.
    pub(super) fn begin(
        &self,
        answerer: &Answerer,
        record: CallRecord,
        opening: Opening,
        slot: Slot,
    ) -> Begun {
        let brief = self.brief(answerer, &record, opening);
        let plan = &answerer.plan;
        let claim = Claim { most: plan.concurrent_calls, slot };
        self.bridge.begin(brief, record, Terms { model: plan.model.clone(), claim })
    }

    /// Dials the model ahead, and sends the caller to it; to the fallback when no more calls can be carried.
    pub(super) fn connect(
        self: &Arc<Self>,
        answerer: &Answerer,
        record: CallRecord,
        opening: Opening,
        slot: Slot,
    ) -> Spoken {
        let twiml = self.stream(&record);
        let (call, attempt) = (record.call.clone(), record.attempts);
        let (from, to) = (record.from.clone(), record.to.clone());
        match self.dial_ahead(answerer, record, opening, slot) {
            Begun::New => {
                self.expect_stream(call, attempt);
                twiml
            }
            Begun::Already => twiml,
            Begun::Full => self.fall_back(&answerer.business, Parties { from: &from, to: &to }),
        }
    }

    /// Begins a call whose caller is about to come. A process on its way out begins nothing, and that is as good as begun:
    /// the stream leads to the public name, and whoever it meets there carries the call.
    pub(super) fn dial_ahead(
        self: &Arc<Self>,
        answerer: &Answerer,
        record: CallRecord,
        opening: Opening,
        slot: Slot,
    ) -> Begun {
        if self.tasks.draining() {
            return Begun::Already;
        }
        let (call, attempt) = (record.call.clone(), record.attempts);
        let begun = self.begin(answerer, record, opening, slot);
        if begun == Begun::Full {
            tracing::warn!(business.id = %answerer.business.id, "this instance can take no more calls; a caller got the fallback");
            if attempt > 1 {
                self.over_for_good(&call);
            } else {
                self.never_began(answerer.business.id.clone(), call);
            }
        }
        begun
    }

    /// `<Connect><Stream>`, and the way back when the stream has ended.
    fn stream(&self, record: &CallRecord) -> Spoken {
        let next = self.way_back(record.attempts);
        let connect = ConnectStream {
            action: next.clone(),
            stream: self.stream_url(),
            status_callback: self.public_url.join(paths::STREAM_STATUS),
            parameters: self.stream_parameters(record),
        };
        Spoken(Twiml::connect_stream(connect, next))
    }

    /// What the stream of a call brings with it, so that it is let in.
    pub(super) fn stream_parameters(&self, record: &CallRecord) -> Vec<(String, String)> {
        let pass = Pass {
            call: record.call.clone(),
            account: record.account.clone(),
            business: record.business.clone(),
            attempt: record.attempts,
            expires_at: self.now_unix().saturating_add(VALID_SECONDS),
        };
        let token = self.pass_key.issue(&pass);
        // Only the token is trusted when they come back; the others are for people who read logs.
        let parameters: [(&str, &str); 5] = [
            ("businessId", record.business.as_str()),
            ("plan", record.plan.as_str()),
            ("to", record.to.reveal()),
            ("from", record.from.reveal()),
            ("token", &token),
        ];
        parameters.map(|(name, value)| (name.to_owned(), fitting(name, value))).to_vec()
    }

    /// Where Twilio asks what is next after so many streams. One that never arrives leaves no trace in the ledger: the way
    /// back must count them itself, or a broken one would be tried for ever.
    pub(super) fn way_back(&self, attempts: u8) -> String {
        let next = self.public_url.join(paths::NEXT);
        if attempts > 1 { format!("{next}?{ATTEMPT}={attempts}") } else { next }
    }

    /// The same for a caller who was kept on the line for the stream that nobody took: it counts, and there is no second
    /// time for it.
    pub(super) fn way_back_once(&self, attempts: u8) -> String {
        format!("{}?{ATTEMPT}={attempts}&{HELD}=1", self.public_url.join(paths::NEXT))
    }

    /// Keeps a caller on the line, and then asks again what is next.
    pub(super) fn hold(&self, way_back: String, language: &str) -> Spoken {
        let said = HOLD.into_iter().flat_map(|sentence| {
            [say(sentence.in_language(language)), Verb::Pause { length_s: HOLD_PAUSE_S }]
        });
        Spoken(Twiml(said.chain([Verb::Redirect { url: way_back }]).collect()))
    }

    /// What the business wants for a caller whom the model cannot serve; a voicemail, when it wants nothing or what is not
    /// there any more.
    pub(super) fn fall_back(&self, business: &Business, parties: Parties<'_>) -> Spoken {
        let place = match &business.fallback {
            Some(Fallback::Message(sentence)) => {
                return Spoken::last(Said::of_business(sentence, &business.language));
            }
            Some(Fallback::Transfer(id)) => business.destination(id),
            Some(Fallback::Voicemail(_)) | None => None,
        };
        match place {
            Some(place) => self.announced_transfer(place, business, parties.to),
            None => self.take_voicemail_for(business, Sentence::LeaveMessage, parties),
        }
    }

    /// Rings a destination of which the model has told the caller.
    pub(super) fn transfer(&self, destination: &Destination, to: &Pii<String>) -> Spoken {
        Spoken(Twiml(vec![ring(&self.public_url, destination, to)]))
    }

    /// Rings a destination of which nobody has told the caller.
    fn announced_transfer(&self, destination: &Destination, business: &Business, to: &Pii<String>) -> Spoken {
        let first = say(Sentence::Connecting.in_language(&business.language));
        Spoken(Twiml(vec![first, ring(&self.public_url, destination, to)]))
    }

    /// Whatever can be done for a caller about whom we know nothing but the line they called.
    pub(super) async fn fall_back_by_line(&self, parties: Parties<'_>) -> Spoken {
        match self.who_answers(None, parties.to).await {
            Ok(Answerer { business, .. }) => self.fall_back(&business, parties),
            Err(nobody) => self.without_answerer(&nobody, None, parties),
        }
    }

    /// What is left for a caller for whom nobody was found. Whoever owns the line is found out later, if the store cannot
    /// say it now; if nobody does, there is nobody a message could be given to.
    pub(super) fn without_answerer(
        &self,
        nobody: &Nobody,
        business: Option<&BusinessId>,
        parties: Parties<'_>,
    ) -> Spoken {
        match nobody {
            Nobody::NoPlan(business) => self.fall_back(business, parties),
            Nobody::Store(_) => {
                let said = Sentence::LeaveMessage.in_language(ENGLISH);
                self.take_voicemail(said, ENGLISH, business, parties)
            }
            Nobody::Unknown => Spoken::goodbye(words::CANNOT_ANSWER),
        }
    }
}

/// The TwiML that rings a destination of a call's business, for Twilio's REST interface.
pub fn transfer_twiml(public_url: &PublicUrl, record: &CallRecord, destination: &Destination) -> String {
    Twiml(vec![ring(public_url, destination, &record.to)]).to_xml()
}

/// Twilio's own voice.
pub(super) fn say(said: Said<'_>) -> Verb {
    Verb::Say { text: said.text.to_owned(), language: said.say_language.map(str::to_owned) }
}

/// Rings, and asks us what next when nobody answers there.
fn ring(public_url: &PublicUrl, destination: &Destination, to: &Pii<String>) -> Verb {
    Verb::Dial {
        // Twilio takes only a number of ours for this, and the line that was called is one, unless it was a SIP address.
        caller_id: PhoneNumber::parse(to.reveal()).ok().map(String::from),
        number: destination.number.clone(),
        timeout_s: RING_S,
        action: public_url.join(paths::DIAL),
    }
}
