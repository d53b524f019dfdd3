//! What can be said before anything is asked: from the settings here, which are mostly the server's too.

use url::Url;

use super::super::facts::Setting;
use super::{Tone, Visit, is_loopback};
use crate::config::Told;

impl Visit<'_> {
    /// Says it.
    pub(super) fn settings(&mut self) {
        let plan = self.plan;
        let mut found = of_deployment(&plan.told, &plan.webhook);
        let missing = |name, says: &str| Setting { name, tone: Tone::Skipped, says: says.to_owned() };
        if plan.auth_token.is_none() {
            let says = "is not set here: the webhook cannot be asked as Twilio asks, and no socket is signed";
            found.push(missing("TWILIO_AUTH_TOKEN", says));
        }
        if plan.admin_token.is_none() && !plan.webhook.host_str().is_some_and(is_loopback) {
            let says =
                "is not set here: what arrives at the application, and what it remembers, stays unseen";
            found.push(missing("ADMIN_TOKEN", says));
        }
        for setting in &found {
            self.note("settings", setting.tone, format!("{} {}", setting.name, setting.says));
        }
        self.facts.settings = found;
    }
}

/// What the settings say of the deployment that is examined.
fn of_deployment(told: &Told, webhook: &Url) -> Vec<Setting> {
    let mut found: Vec<Setting> = Vec::new();
    let mut say = |name, tone, says: String| found.push(Setting { name, tone, says });
    for mistake in &told.mistakes {
        say(mistake.setting, Tone::Bad, format!("{}: {}", mistake.wrong, mistake.remedy));
    }
    for warning in &told.warnings {
        say(warning.setting, Tone::Good, warning.text.clone());
    }
    let examined = authority(webhook);
    if let Some(public) = told.public.as_ref().filter(|_| told.says_public) {
        let said = Url::parse(public.url.as_str()).ok();
        match said.as_ref().map(authority) {
            Some(said) if said == examined => {
                say("PUBLIC_URL", Tone::Good, format!("is {}, which is examined", public.url.as_str()));
            }
            _ => {
                let says = format!(
                    "is {} here, and {examined} is examined: where the server has that too, it checks signatures over \
                     it, and its TwiML leads there",
                    public.url.as_str()
                );
                say("PUBLIC_URL", Tone::Skipped, says);
            }
        }
        if public.stream != public.url {
            let says = format!("is {}: media is carried there, and webhooks here", public.stream.as_str());
            say("STREAM_PUBLIC_URL", Tone::Good, says);
        }
    }
    found
}

/// Host and port: what has to be the same.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let host = if is_loopback(host) { "localhost" } else { host };
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const WEBHOOK: &str = "https://voice.example.com/twilio-voice";

    fn said(set: &[(&str, &str)]) -> Vec<(&'static str, Tone, String)> {
        let read =
            |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let told = Config::doctor(read).told;
        let found = of_deployment(&told, &WEBHOOK.parse().unwrap());
        found.into_iter().map(|it| (it.name, it.tone, it.says)).collect()
    }

    fn one(set: &[(&str, &str)]) -> (&'static str, Tone, String) {
        let mut said = said(set);
        assert_eq!(said.len(), 1, "{said:?}");
        said.remove(0)
    }

    #[test]
    fn where_nothing_is_set_nothing_is_said() {
        assert_eq!(said(&[]), []);
    }

    #[test]
    fn a_public_url_is_compared_with_what_is_examined() {
        let same = one(&[("PUBLIC_URL", "https://Voice.Example.com")]);
        assert_eq!((same.0, same.1), ("PUBLIC_URL", Tone::Good));
        let other = one(&[("PUBLIC_URL", "https://old.example.com")]);
        assert_eq!((other.0, other.1), ("PUBLIC_URL", Tone::Skipped));
        assert!(other.2.contains("voice.example.com is examined"), "{}", other.2);
    }

    #[test]
    fn mistakes_are_told_with_their_remedy_and_stop_nothing() {
        for (name, value) in [
            ("PUBLIC_URL", "https://voice.example.com/twilio-voice"),
            ("PUBLIC_URL", "http://voice.example.com"),
            ("STREAM_PUBLIC_URL", "wss://voice.example.com/twilio-media?businessId=1"),
            ("ADMIN_TOKEN", "short"),
            ("TWILIO_AUTH_TOKEN", "AC0123456789abcdef0123456789abcdef"),
        ] {
            let (said, tone, says) = one(&[(name, value)]);
            assert_eq!((said, tone), (name, Tone::Bad), "{says}");
            assert!(says.contains(": "), "{says}");
        }
    }

    #[test]
    fn old_habits_are_tolerated_and_explained() {
        let explained = |set: &[(&str, &str)], name| {
            let said = said(set);
            said.into_iter().find(|(it, ..)| *it == name).map(|(_, tone, says)| (tone, says)).unwrap()
        };
        let domain = ("WEBSOCKET_PUBLIC_DOMAIN", "media.example.com");
        let (tone, says) = explained(&[("PUBLIC_URL", "https://voice.example.com"), domain], domain.0);
        assert_eq!(tone, Tone::Good);
        assert!(says.contains("is an old name, and taken"), "{says}");
        let both = [domain, ("STREAM_PUBLIC_URL", "https://other.example.com")];
        assert!(explained(&both, domain.0).1.contains("which is set and counts"));
        let railway = [("RAILWAY_STATIC_URL", "voice.up.railway.app"), ("RAILWAY_PROJECT_ID", "1")];
        assert!(explained(&railway, "RAILWAY_STATIC_URL").1.contains("old name"));
        let elsewhere = [("RAILWAY_STATIC_URL", "voice.up.railway.app")];
        assert!(explained(&elsewhere, "RAILWAY_STATIC_URL").1.contains("not read outside"));
        let enabled = [("RAILWAY_WEBSOCKET_ENABLED", "true")];
        assert!(explained(&enabled, "RAILWAY_WEBSOCKET_ENABLED").1.contains("does nothing"));
    }

    #[test]
    fn media_elsewhere_is_told() {
        let said = said(&[
            ("PUBLIC_URL", "https://voice.example.com"),
            ("STREAM_PUBLIC_URL", "https://media.example.com"),
        ]);
        assert!(said[1].2.contains("media.example.com"), "{said:?}");
    }
}
