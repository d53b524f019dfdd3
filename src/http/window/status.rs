//! How the way from Twilio to the model fares, as this instance has seen it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::badge::Viewer;
use crate::dashboard::{HealthPage, Light, Trace, health_page};
use crate::http::App;
use crate::http::media::ACCEPTED;
use crate::registry::{Shown, State as Standing, Step};

/// As many as a person reads.
const TRACES: usize = 40;

pub(super) async fn show(viewer: Viewer, State(app): State<Arc<App>>) -> Response {
    let page = HealthPage {
        instance: app.instance.to_string(),
        version: env!("CARGO_PKG_VERSION"),
        since_ms: app.trail.since_ms(),
        now_ms: (app.clock)(),
        lights: vec![webhook(&app), upgrade(&app), model(&app), calls(&app), drain(&app)],
        findings: findings(&app),
        traces: traces(&app),
    };
    health_page(&app.frame(Some(&viewer)), &page).into_response()
}

fn webhook(app: &App) -> Light {
    let name = "Last webhook";
    match app.trail.sent().first() {
        Some(sent) => {
            let says = ago(app, sent.at_ms);
            let detail = format!("TwiML was answered for a call at {}", app.public_url.host());
            Light { name, kind: "good", says, detail }
        }
        None => Light {
            name,
            kind: "",
            says: "None yet".to_owned(),
            detail: format!("Twilio's number should ask {}", app.public_url.join(crate::http::paths::VOICE)),
        },
    }
}

fn upgrade(app: &App) -> Light {
    let name = "Last upgrade";
    let sent = app.trail.sent().first().map(|sent| sent.at_ms);
    match app.trail.attempt(|attempt| attempt.seen.signature) {
        Some(last) if last.verdict == ACCEPTED => {
            Light { name, kind: "good", says: ago(app, last.at_ms), detail: last.why }
        }
        Some(last) => Light {
            name,
            kind: "bad",
            says: format!("Refused {}", ago(app, last.at_ms)),
            detail: format!("{}: {}", last.verdict, last.why),
        },
        None if sent.is_some() => Light {
            name,
            kind: "odd",
            says: "None yet".to_owned(),
            detail: "TwiML was answered, and nobody has come with a signature".to_owned(),
        },
        None => Light { name, kind: "", says: "None yet".to_owned(), detail: String::new() },
    }
}

fn model(app: &App) -> Light {
    let name = "Last model";
    let latest = |wanted: fn(&Step) -> bool| {
        let at = |shown: &Shown| {
            let rung = shown.rungs.iter().rev().find(|rung| wanted(&rung.step))?;
            Some((shown.began_ms.saturating_add(i64::try_from(rung.at_ms).unwrap_or(0)), rung.step.clone()))
        };
        let boards = app.registry.boards().into_iter().chain(app.registry.ended());
        boards.filter_map(|board| board.look(at)).max_by_key(|(at_ms, _)| *at_ms)
    };
    let ready = latest(|step| matches!(step, Step::ModelReady));
    let failed = latest(|step| matches!(step, Step::ModelRefused(_, true) | Step::ModelAway));
    match (ready, failed) {
        (Some((ready_ms, _)), failed) if failed.as_ref().is_none_or(|(at_ms, _)| *at_ms < ready_ms) => {
            Light { name, kind: "good", says: ago(app, ready_ms), detail: "its session was ready".to_owned() }
        }
        (_, Some((at_ms, Step::ModelRefused(code, _)))) => {
            Light { name, kind: "bad", says: format!("Refused {}", ago(app, at_ms)), detail: code }
        }
        (_, Some((at_ms, _))) => Light {
            name,
            kind: "odd",
            says: format!("Lost {}", ago(app, at_ms)),
            detail: "it is dialled again".to_owned(),
        },
        (_, None) => Light { name, kind: "", says: "None yet".to_owned(), detail: String::new() },
    }
}

fn calls(app: &App) -> Light {
    let boards = app.registry.boards();
    let talking = boards.iter().filter(|board| board.look(|shown| shown.state == Standing::Talking)).count();
    let (all, detail) = (app.registry.len(), format!("{talking} talking"));
    Light { name: "Calls here", kind: "good", says: all.to_string(), detail }
}

fn drain(app: &App) -> Light {
    let name = "Drain";
    if app.tasks.draining() {
        let detail = format!("{} pieces of work are left", app.tasks.live());
        return Light { name, kind: "odd", says: "On its way out".to_owned(), detail };
    }
    Light { name, kind: "good", says: "Taking calls".to_owned(), detail: String::new() }
}

fn ago(app: &App, at_ms: i64) -> String {
    crate::dashboard::ago((app.clock)(), at_ms)
}

fn findings(app: &App) -> Vec<Trace> {
    let found = app.trail.findings().into_iter().map(|found| Trace {
        at_ms: found.at_ms,
        kind: "bad",
        what: "No stream came".to_owned(),
        detail: found.says,
        call: Some(found.call.to_string()),
    });
    found.take(TRACES).collect()
}

fn traces(app: &App) -> Vec<Trace> {
    let sent = app.trail.sent().into_iter().map(|sent| Trace {
        at_ms: sent.at_ms,
        kind: "good",
        what: "TwiML answered".to_owned(),
        detail: if sent.attempt > 1 { format!("stream {}", sent.attempt) } else { String::new() },
        call: Some(sent.call.to_string()),
    });
    let upgrades = app.trail.upgrades().into_iter().map(|upgrade| Trace {
        at_ms: upgrade.at_ms,
        kind: if upgrade.verdict == ACCEPTED { "good" } else { "bad" },
        what: if upgrade.verdict == ACCEPTED {
            "Upgraded".to_owned()
        } else {
            format!("Refused: {}", upgrade.verdict)
        },
        detail: upgrade.why,
        call: upgrade.call.map(|call| call.to_string()),
    });
    let errors = app.trail.stream_errors().into_iter().map(|error| Trace {
        at_ms: error.at_ms,
        kind: "bad",
        what: error.error,
        detail: error.meaning,
        call: Some(error.call.to_string()),
    });
    let mut all: Vec<Trace> = sent.chain(upgrades).chain(errors).collect();
    all.sort_by_key(|trace| std::cmp::Reverse(trace.at_ms));
    all.truncate(TRACES);
    all
}
