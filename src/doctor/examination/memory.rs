//! What others remember: the server of the last minutes, Twilio of its numbers and errors.

use super::super::ask::{PATIENCE, Request, ask};
use super::super::handshake::TWILIO;
use super::super::line::Trust;
use super::super::twilio::{self, Read};
use super::{Examination, Tone, Visit, beside, place, said_of};
use crate::domain::CallSid;
use crate::wire::doctor::{Cause, Recent};

/// Twilio is asked about so many callers who did not arrive; more of them have the same cause.
const MOST_ASKED_ABOUT: usize = 3;

/// What a server remembers, or why it does not say.
#[derive(Debug)]
pub enum Memory {
    /// This.
    Remembers(Box<Recent>),
    /// It did not answer, which may be over in a moment; how.
    Away(String),
    /// It answered, and will not tell; why.
    Locked(String),
}

/// Twilio's records, where we may read them.
pub(super) async fn records(plan: &Examination) -> Option<Read> {
    let rest = plan.rest.as_ref()?;
    Some(twilio::records(rest, plan).await)
}

impl Examination {
    /// What the server remembers of the last minutes. Fails only when one of the `roots` is no certificate.
    pub async fn recent(&self) -> Result<Memory, rustls::Error> {
        let trust = Trust::new(self.roots.clone())?.knowing(&self.names);
        let webhook = place(&self.webhook);
        let mut at = self.stream_of(&webhook);
        at.path = beside(&webhook.path, self.answers.voice, self.answers.recent);
        Ok(self.ask_recent(&at, &trust).await)
    }

    async fn ask_recent(&self, at: &super::Place, trust: &Trust) -> Memory {
        let Some(headers) = self.operator(at) else {
            return Memory::Locked("set ADMIN_TOKEN to the server's own".to_owned());
        };
        let request = Request { method: "GET", target: at.path.clone(), headers, body: "" };
        let (asked, body) = ask(at, trust, &request, PATIENCE).await;
        if let Ok(recent) = serde_json::from_str(&body) {
            return Memory::Remembers(Box::new(recent));
        }
        match asked.answer().map(|answer| (answer.status, answer.is_ours())) {
            Some((401 | 403, true)) => Memory::Locked("ADMIN_TOKEN is not the server's".to_owned()),
            Some((404, true)) => Memory::Locked("the server is older than its doctor".to_owned()),
            Some((200..300, false)) => Memory::Locked("what answers there is not frontdesk".to_owned()),
            _ => Memory::Away(said_of(&asked).1),
        }
    }
}

impl Visit<'_> {
    /// What the server remembers of those who were here before us.
    pub(super) async fn recent(&mut self) {
        let (plan, trust) = (self.plan, self.trust.clone());
        let at = self.beside_media(plan.answers.recent);
        if plan.operator(&at).is_none() {
            // That ADMIN_TOKEN is missing was said.
            return;
        }
        let Some(memory) = self.in_time("server's memory", plan.ask_recent(&at, &trust)).await else {
            return;
        };
        let recent = match memory {
            Memory::Remembers(recent) => *recent,
            Memory::Away(why) | Memory::Locked(why) => {
                return self.note("server's memory", Tone::Skipped, format!("not seen: {why}"));
            }
        };
        let elapsed_ms = i64::try_from(self.clock.now().as_millis()).unwrap_or(i64::MAX);
        let began_ms = recent.now_ms.saturating_sub(elapsed_ms);
        let as_twilio = recent.upgrades.iter().filter(|it| it.seen.user_agent.as_deref() == Some(TWILIO));
        let before = as_twilio.filter(|attempt| attempt.at_ms < began_ms).count();
        let minutes = began_ms.saturating_sub(recent.since_ms) / 60_000 + 1;
        let lost = recent.findings.len();
        let seen = format!(
            "in the last {minutes} min {before} came to the media socket as Twilio does, examinations among them; {lost} \
             callers were sent there and did not come"
        );
        self.note("server's memory", Tone::Good, seen);
        self.facts.came_before = Some(before);
        self.facts.recent = Some(recent);
    }

    /// What Twilio remembers.
    pub(super) async fn twilio(&mut self, read: Option<Read>) {
        let (Some(read), Some(rest)) = (read, &self.plan.rest) else {
            let seen = "not asked: set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN to see what Twilio remembers";
            return self.note("Twilio", Tone::Skipped, seen);
        };
        let mut records = read.records;
        let lost: Vec<CallSid> = self
            .facts
            .recent
            .iter()
            .flat_map(|recent| &recent.findings)
            .filter(|finding| finding.cause == Cause::NothingArrived)
            .map(|finding| finding.call.clone())
            .take(MOST_ASKED_ABOUT)
            .collect();
        for call in lost {
            let asked = rest.standing(&self.plan.account, &call);
            if let Some(Ok(None)) = self.in_time("Twilio", asked).await {
                records.unknown_calls.push(call);
            }
        }
        let ours = records
            .numbers
            .iter()
            .filter(|number| twilio::bare(&number.voice_url) == twilio::bare(&self.facts.webhook.url));
        let seen = format!(
            "{} of {} numbers call this webhook; {} errors of the last day",
            ours.count(),
            records.numbers.len(),
            records.alerts.len()
        );
        match &records.problem {
            Some(problem) => self.note("Twilio", Tone::Skipped, problem.clone()),
            None => self.note("Twilio", Tone::Good, seen),
        }
        self.facts.twilio = Some(records);
    }
}
