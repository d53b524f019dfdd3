//! What happens at a server while somebody watches, a line each.

use std::collections::{BTreeMap, BTreeSet};

use super::super::verdict::habits;
use crate::wire::doctor::{Recent, UpgradeAttempt};

/// What was told already, for each instance that answered: behind one name there may be several.
#[derive(Debug, Default)]
pub struct News {
    instances: BTreeMap<String, Told>,
}

/// Up to when everything was told, by the instance's own clock, and what of that very moment.
#[derive(Debug)]
struct Told {
    until_ms: i64,
    then: BTreeSet<String>,
}

impl News {
    /// What is new at an instance, in order. `watched_ms` is for how long somebody has been watching: of what was before,
    /// nothing is told.
    pub fn of(&mut self, recent: &Recent, watched_ms: i64) -> Vec<String> {
        let began_ms = recent.now_ms.saturating_sub(watched_ms);
        let told = self
            .instances
            .entry(recent.instance.clone())
            .or_insert_with(|| Told { until_ms: began_ms, then: BTreeSet::new() });
        let mut lines = lines(recent);
        lines.retain(|(at_ms, line)| {
            *at_ms > told.until_ms || (*at_ms == told.until_ms && !told.then.contains(line))
        });
        lines.sort();
        if let Some((last_ms, _)) = lines.last().cloned() {
            if last_ms > told.until_ms {
                told.until_ms = last_ms;
                told.then.clear();
            }
            let then = lines.iter().filter(|(at_ms, _)| *at_ms == last_ms);
            told.then.extend(then.map(|(_, line)| line.clone()));
        }
        lines.into_iter().map(|(_, line)| line).collect()
    }
}

fn lines(recent: &Recent) -> Vec<(i64, String)> {
    let mut lines: Vec<(i64, String)> = Vec::new();
    lines.extend(recent.sent.iter().map(|sent| {
        let kind = if sent.genuine { "" } else { ", whose CallSid is none of Twilio's" };
        let (call, attempt) = (&sent.call, sent.attempt);
        (sent.at_ms, format!("TwiML    with a stream was answered for {call} (stream {attempt}){kind}"))
    }));
    lines.extend(recent.upgrades.iter().map(|upgrade| (upgrade.at_ms, attempt(upgrade))));
    lines.extend(recent.stream_errors.iter().map(|error| {
        (error.at_ms, format!("Twilio   says of {}: {}; {}", error.call, error.error, error.meaning))
    }));
    lines.extend(recent.findings.iter().map(|finding| {
        (finding.at_ms, format!("missing  {} did not arrive: {}", finding.call, finding.says))
    }));
    lines
}

fn attempt(upgrade: &UpgradeAttempt) -> String {
    let UpgradeAttempt { verdict, why, seen, call, .. } = upgrade;
    let became = match call {
        Some(call) => format!("{verdict} for {call}"),
        None => format!("refused ({verdict})"),
    };
    let habits: String = habits(seen).map(|says| format!("\n          {says}")).collect();
    format!("socket   {became}: {why}; {seen}{habits}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CallSid;
    use crate::wire::doctor::Sent;

    fn recent(instance: &str, now_ms: i64, sent: &[(i64, &str)]) -> Recent {
        let sent = sent.iter().map(|(at_ms, call)| Sent {
            at_ms: *at_ms,
            call: CallSid::parse(call).unwrap(),
            genuine: true,
            attempt: 1,
        });
        Recent {
            instance: instance.to_owned(),
            since_ms: 0,
            now_ms,
            draining: false,
            sent: sent.collect(),
            upgrades: vec![],
            stream_errors: vec![],
            findings: vec![],
        }
    }

    #[test]
    fn everything_is_told_once_and_nothing_of_before() {
        let mut news = News::default();
        assert!(news.of(&recent("a", 1_000, &[(900, "CA1")]), 0).is_empty());
        let first = news.of(&recent("a", 2_000, &[(1_500, "CA2"), (900, "CA1")]), 1_000);
        assert_eq!(first.len(), 1);
        assert!(first[0].contains("CA2"), "{first:?}");
        assert!(news.of(&recent("a", 3_000, &[(1_500, "CA2"), (900, "CA1")]), 2_000).is_empty());
        let same_moment = news.of(&recent("a", 3_000, &[(1_500, "CA3"), (1_500, "CA2")]), 2_000);
        assert_eq!(same_moment.len(), 1, "what came in the very millisecond of the last is not lost");
        assert!(same_moment[0].contains("CA3"), "{same_moment:?}");
    }

    #[test]
    fn an_instance_that_answers_later_tells_what_happened_since_somebody_watches() {
        let mut news = News::default();
        news.of(&recent("a", 1_000, &[]), 0);
        let other = news.of(&recent("b", 50_000, &[(49_500, "CA2"), (40_000, "CA1")]), 5_000);
        assert_eq!(other.len(), 1);
        assert!(other[0].contains("CA2"), "{other:?}");
    }
}
