//! What a provider's support needs to find our requests in its own logs, where only its edge is left to be at fault.

use std::io::{self, Write};

use super::super::examination::Examined;
use super::super::facts::{Answer, Asked, Handshake};

/// As many answers as a ticket needs.
const MOST: usize = 6;

/// Prints each answer that somebody made who is not the application. Nothing when there is none.
pub(super) fn print(examined: &Examined, out: &mut dyn Write) -> io::Result<()> {
    let foreign = foreign(examined);
    if foreign.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\nsupport    to be told to whoever runs the edge; none of these answers was made by the application:"
    )?;
    for (what, answer) in foreign.into_iter().take(MOST) {
        let date = answer.date.as_deref().unwrap_or("no Date");
        let server = answer.server.as_deref().unwrap_or("no Server");
        let signs =
            if answer.edge.is_empty() { String::new() } else { format!(", {}", answer.edge.join(", ")) };
        writeln!(out, "{:<10} {what} → {}, {date}, {server}{signs}", "", answer.status)?;
    }
    Ok(())
}

fn foreign(examined: &Examined) -> Vec<(String, &Answer)> {
    let facts = &examined.facts;
    let twiml = facts.twiml.as_ref().and_then(|twiml| twiml.asked.answer());
    let health = facts.health.as_ref().and_then(Asked::answer);
    let bare = facts.bare.as_ref().and_then(refusal);
    let mut all = Vec::new();
    all.extend(twiml.map(|answer| (format!("POST {}", facts.webhook.url), answer)));
    all.extend(health.map(|answer| (format!("GET /health of {}", facts.stream.host), answer)));
    all.extend(bare.map(|answer| (format!("upgrade of a bare socket of {}", facts.stream.host), answer)));
    let upgrades = facts.handshakes.iter().filter_map(refusal);
    all.extend(upgrades.map(|answer| (format!("upgrade of {}", facts.stream.url), answer)));
    all.retain(|(_, answer)| !answer.is_ours());
    all
}

fn refusal(handshake: &Handshake) -> Option<&Answer> {
    match handshake {
        Handshake::Refused(answer) => Some(answer),
        Handshake::Opened(_) | Handshake::Failed(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::facts::Facts;
    use super::super::super::verdict::judge;
    use super::*;

    #[test]
    fn support_is_told_of_what_the_edge_answered_and_of_nothing_else() {
        let edge = Answer {
            status: 502,
            server: Some("railway-edge".to_owned()),
            date: Some("Fri, 20 Nov 2026 10:00:00 GMT".to_owned()),
            edge: vec!["x-railway-request-id: abc".to_owned()],
            ..Answer::default()
        };
        let ours = Answer { status: 200, hop: Some("0.1.0/i/1".to_owned()), ..Answer::default() };
        let facts = Facts {
            health: Some(Asked::Answered(Box::new(ours))),
            handshakes: vec![Handshake::Refused(Box::new(edge))],
            ..Facts::default()
        };
        let examined = Examined { format: 1, version: "0", verdict: judge(&facts), steps: Vec::new(), facts };
        let mut out = Vec::new();
        print(&examined, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().filter(|line| line.contains('→')).count(), 1, "{text}");
        for part in ["502", "10:00:00 GMT", "railway-edge", "x-railway-request-id: abc"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
