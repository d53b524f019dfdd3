//! Which line is called: one that somebody owns, or nobody answers.

use serde::Deserialize;

use super::super::ask::{PATIENCE, Request, ask};
use super::super::facts::Line;
use super::super::twilio::{Read, bare, masked};
use super::{Tone, Visit};
use crate::domain::Pii;

/// Who has more businesses has a line among the first.
const MOST_BUSINESSES: u32 = 20;

/// Called where nobody knows better: a number of Twilio's for tests, which nobody owns.
const NOBODYS: &str = "+15005550001";

/// The line that is called.
#[derive(Debug)]
pub(super) struct Whom {
    pub(super) to: Pii<String>,
}

impl Visit<'_> {
    /// Finds one: what was said, what the webhook itself says, what Twilio or the server knows.
    pub(super) async fn whom(&mut self, records: Option<&Read>) -> Whom {
        let plan = self.plan;
        let by_url =
            plan.webhook.query_pairs().any(|(name, value)| name == "businessId" && !value.is_empty());
        let at_twilio = || {
            let ours = bare(plan.webhook.as_str());
            let mut numbers = records?.numbers.iter();
            Some(numbers.find(|number| !number.elsewhere && bare(&number.voice_url) == ours)?.number.clone())
        };
        let (line, to) = if let Some(to) = &plan.to {
            (Line::Said, Some(to.clone()))
        } else if by_url {
            (Line::ByUrl, None)
        } else if let Some(to) = at_twilio() {
            (Line::AtTwilio, Some(to))
        } else if let Some(to) = self.a_line_of_the_server().await {
            (Line::AtServer, Some(to))
        } else {
            (Line::Unknown, None)
        };
        self.facts.line = line;
        match (&line, &to) {
            (Line::Unknown, _) => {
                let seen =
                    "no line is known: pass --to +1…, a line one of your businesses owns, or set ADMIN_TOKEN";
                self.note("line", Tone::Skipped, seen);
            }
            (_, Some(to)) => self.note("line", Tone::Good, format!("{} is called: {line}", masked(to))),
            (_, None) => self.note("line", Tone::Good, line.to_string()),
        }
        Whom { to: to.unwrap_or_else(|| Pii::new(NOBODYS.to_owned())) }
    }

    async fn a_line_of_the_server(&mut self) -> Option<Pii<String>> {
        let plan = self.plan;
        let place = self.beside_voice(plan.answers.businesses);
        let mut headers = plan.operator(&place)?;
        headers.push(("Accept", "application/json".to_owned()));
        let target = format!("{}?limit={MOST_BUSINESSES}", place.path);
        let request = Request { method: "GET", target, headers, body: "" };
        let trust = self.trust.clone();
        let (_, body) = self.in_time("line", ask(&place, &trust, &request, PATIENCE)).await?;
        let listed: Listed = serde_json::from_str(&body).ok()?;
        listed.items.into_iter().find_map(|business| business.lines.into_iter().next())
    }
}

#[derive(Deserialize)]
struct Listed {
    items: Vec<ListedBusiness>,
}

#[derive(Deserialize)]
struct ListedBusiness {
    #[serde(default)]
    lines: Vec<Pii<String>>,
}
