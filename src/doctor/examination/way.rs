//! Names, connections and TLS; and who answers.

use super::super::ask::{PATIENCE, Request, ask};
use super::super::facts::Way;
use super::super::line::look;
use super::{Tone, Visit, said_of};

/// What calls itself so is let in by checks that keep programs out.
const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";

impl Visit<'_> {
    /// The way to the webhook; whether anything can be asked over it.
    pub(super) async fn way(&mut self) -> bool {
        let (webhook, trust, now_ms) = (self.facts.webhook.clone(), self.trust.clone(), self.plan.now_ms);
        let Some(way) = self.in_time("names", look(&webhook, &trust, now_ms)).await else { return false };
        self.note_way(&webhook.host, &way);
        self.facts.way = way;
        self.facts.way.leads_there()
    }

    /// The way to the stream, when it is another than the webhook's; whether anything can be asked over it.
    pub(super) async fn stream_way(&mut self) -> bool {
        let (stream, webhook) = (self.facts.stream.clone(), &self.facts.webhook);
        if stream.host == webhook.host && stream.port == webhook.port {
            return true;
        }
        let (trust, now_ms) = (self.trust.clone(), self.plan.now_ms);
        let Some(way) = self.in_time("names", look(&stream, &trust, now_ms)).await else { return false };
        self.note_way(&stream.host, &way);
        self.facts.stream_way.insert(way).leads_there()
    }

    fn note_way(&mut self, host: &str, way: &Way) {
        if let Some(why) = &way.no_address {
            return self.note("names", Tone::Bad, format!("{host}: {why}"));
        }
        let ips: Vec<_> = way.addresses.iter().map(|at| at.ip.to_string()).collect();
        if ips != [host] {
            self.note("names", Tone::Good, format!("{host} is {}", ips.join(", ")));
        }
        for at in &way.addresses {
            match &at.connected {
                Ok(ms) => self.note("connection", Tone::Good, format!("{} in {ms} ms", at.ip)),
                Err(failure) => self.note("connection", Tone::Bad, format!("{}: {failure}", at.ip)),
            }
        }
        match &way.tls {
            Some(Ok(tls)) => {
                let days = tls.days_left.map(|days| format!(", the certificate is good for {days} days"));
                let h2 = if way.takes_h2 { "; HTTP/2 too, which Twilio's sockets do not use" } else { "" };
                let seen = format!("{}, HTTP/1.1{}{h2}", tls.version, days.unwrap_or_default());
                self.note("TLS", Tone::Good, seen);
            }
            Some(Err(fault)) => self.note("TLS", Tone::Bad, fault.to_string()),
            None => {}
        }
    }

    /// Who answers where nothing is at stake, to us and to what looks like a browser.
    pub(super) async fn health(&mut self) {
        let (place, trust) = (self.beside_media(self.plan.answers.health), self.trust.clone());
        let as_one = |agent: &str| Request {
            method: "GET",
            target: place.path.clone(),
            headers: vec![("User-Agent", agent.to_owned()), ("Accept", "*/*".to_owned())],
            body: "",
        };
        let (doctor, browser) = (as_one("frontdesk-doctor"), as_one(BROWSER));
        let both = async {
            tokio::join!(ask(&place, &trust, &doctor, PATIENCE), ask(&place, &trust, &browser, PATIENCE))
        };
        let Some(((health, _), (browser, _))) = self.in_time("who answers", both).await else { return };
        let (tone, seen) = said_of(&health);
        self.note("who answers", tone, seen);
        self.facts.health = Some(health);
        self.facts.health_for_browsers = Some(browser);
    }
}
