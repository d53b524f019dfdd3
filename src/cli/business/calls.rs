//! What happened: calls, what was said in them, and the messages and voicemails people left.

use std::io::Write;

use anyhow::bail;

use super::directory::no_such_business;
use super::{Books, table};
use crate::domain::{BusinessId, CallRecord, CallSid, Ending, ModalityTokens, Speaker, Turn, Voicemail};
use crate::store::StoreError;

/// How many calls are asked for at once.
const PART: u32 = 200;

pub(super) async fn list(id: &str, limit: u32, books: &Books, out: &mut dyn Write) -> anyhow::Result<()> {
    let business = BusinessId::parse(id)?;
    let (mut calls, mut after, mut left) = (Vec::new(), None, limit);
    while left > 0 {
        let part = books.ledger.calls(&business, after.as_ref(), left.min(PART)).await?;
        for error in &part.unreadable {
            writeln!(out, "warning: {error}")?;
        }
        let came = part.items.len() + part.unreadable.len();
        left = left.saturating_sub(u32::try_from(came).unwrap_or(u32::MAX));
        calls.extend(part.items);
        after = part.next;
        if after.is_none() {
            break;
        }
    }
    if calls.is_empty() {
        must_be_there(&business, books).await?;
        return Ok(writeln!(out, "no calls yet")?);
    }
    let heading = ["CALL", "STARTED", "FROM", "TALKED", "ENDING", "COST"];
    table::write(out, heading, calls.iter().map(row))?;
    if after.is_some() {
        writeln!(out, "there are more; --limit {} shows twice as many", limit.saturating_mul(2))?;
    }
    Ok(())
}

fn row(call: &CallRecord) -> [String; 6] {
    [
        call.call.to_string(),
        table::time(call.started_ms),
        table::on_one_line(call.from.reveal()),
        if call.ended_ms.is_some() { table::length(call.talked_ms()) } else { "(goes on)".to_owned() },
        call.ending.as_ref().map_or_else(|| "-".to_owned(), ending),
        call.cost.to_string(),
    ]
}

fn ending(ending: &Ending) -> String {
    match ending {
        Ending::CallerHungUp => "the caller hung up".to_owned(),
        Ending::HungUp => "hung up".to_owned(),
        Ending::Transferred(to) => format!("transferred to {to}"),
        Ending::NeverConnected => "no stream came".to_owned(),
        Ending::StreamLost => "the stream was lost".to_owned(),
        Ending::StreamRefused(why) => format!("the stream was refused: {}", table::on_one_line(why)),
        Ending::ModelLost => "the model was lost".to_owned(),
        Ending::ModelRefused => "the model refused".to_owned(),
        Ending::HandedOver => "handed over".to_owned(),
        Ending::PlanLimit => "the plan was at its limit".to_owned(),
    }
}

pub(super) async fn show(sid: &str, books: &Books, out: &mut dyn Write) -> anyhow::Result<()> {
    let sid = CallSid::parse(sid)?;
    let Some(call) = books.ledger.call(&sid).await? else {
        bail!("there is no call {sid}; `frontdesk business calls ID` lists those of a business");
    };
    let turns = books.ledger.turns(&sid).await?;
    let voicemails = books.ledger.voicemails_in(&sid).await?;
    write_record(&call, &voicemails, out)?;
    writeln!(out)?;
    if turns.is_empty() {
        return Ok(writeln!(out, "nothing was said")?);
    }
    for turn in &turns {
        writeln!(out, "{}", said(turn, call.attempts > 1))?;
    }
    Ok(())
}

fn write_record(call: &CallRecord, voicemails: &[Voicemail], out: &mut dyn Write) -> anyhow::Result<()> {
    let or_not_yet = |ms: Option<i64>| ms.map_or_else(|| "not yet".to_owned(), table::time);
    let mut lines = vec![
        ("call", format!("{} of account {}", call.call, call.account)),
        ("business", format!("{} on plan {}", call.business, call.plan)),
        ("from", table::on_one_line(call.from.reveal())),
        ("to", table::on_one_line(call.to.reveal())),
        ("started", table::time(call.started_ms)),
        ("answered", or_not_yet(call.answered_ms)),
        ("ended", or_not_yet(call.ended_ms)),
        ("talked", table::length(call.talked_ms())),
        ("ending", call.ending.as_ref().map_or_else(|| "not yet".to_owned(), ending)),
        ("carried by", format!("{}, {} of its streams", call.instance, call.attempts)),
        ("read", format!("{}, of which cached {}", tokens(call.usage.input), tokens(call.usage.cached))),
        ("made", tokens(call.usage.output)),
        ("cost", format!("{}, an estimate", call.cost)),
    ];
    for recording in &call.recordings {
        let (length, instance) = (table::length(recording.length_ms), &recording.instance);
        lines.push(("recording", format!("{} ({length}, on {instance})", recording.file)));
    }
    for voicemail in voicemails {
        lines
            .push(("voicemail", format!("{} ({})", voicemail.recording, table::length(voicemail.length_ms))));
    }
    for (name, value) in lines {
        writeln!(out, "{name:<11} {value}")?;
    }
    Ok(())
}

fn tokens(tokens: ModalityTokens) -> String {
    let mut said = format!("{} text, {} audio", tokens.text, tokens.audio);
    if tokens.image > 0 {
        said = format!("{said}, {} image", tokens.image);
    }
    format!("{said} tokens")
}

/// `0:04  caller  Are you open on Friday?`, with the stream in front where there was more than one.
fn said(turn: &Turn, more_streams: bool) -> String {
    let who = match turn.speaker {
        Speaker::Caller => "caller",
        Speaker::Model => "model",
    };
    let stream = if more_streams { format!("{}/", turn.attempt) } else { String::new() };
    let mut line = format!(
        "{stream}{:<6} {who:<6}  {}",
        table::length(turn.began_ms),
        table::on_one_line(turn.text.reveal())
    );
    if turn.interrupted {
        line.push_str(" —");
    }
    if let Some(delay_ms) = turn.answer_delay_ms {
        line = format!("{line}  ({delay_ms} ms)");
    }
    line
}

pub(super) async fn messages(id: &str, books: &Books, out: &mut dyn Write) -> anyhow::Result<()> {
    let business = BusinessId::parse(id)?;
    let messages = books.ledger.messages(&business).await?;
    if messages.is_empty() {
        must_be_there(&business, books).await?;
        return Ok(writeln!(out, "no messages yet")?);
    }
    let rows = messages.iter().map(|message| {
        [
            table::time(message.taken_ms),
            table::on_one_line(message.name.reveal()),
            table::on_one_line(message.contact.reveal()),
            message.call.to_string(),
            table::on_one_line(message.text.reveal()),
        ]
    });
    table::write(out, ["TAKEN", "NAME", "CONTACT", "CALL", "MESSAGE"], rows)
}

pub(super) async fn voicemails(id: &str, books: &Books, out: &mut dyn Write) -> anyhow::Result<()> {
    let business = BusinessId::parse(id)?;
    let voicemails = books.ledger.voicemails(&business).await?;
    if voicemails.is_empty() {
        must_be_there(&business, books).await?;
        return Ok(writeln!(out, "no voicemails yet")?);
    }
    let rows = voicemails.iter().map(|voicemail| {
        [
            table::time(voicemail.left_ms),
            table::on_one_line(voicemail.from.reveal()),
            table::length(voicemail.length_ms),
            voicemail.call.to_string(),
            voicemail.recording.to_string(),
        ]
    });
    table::write(out, ["LEFT", "FROM", "LENGTH", "CALL", "RECORDING"], rows)
}

/// Tells a business that has nothing from one that is not there. One that does not read is there.
pub(super) async fn must_be_there(business: &BusinessId, books: &Books) -> anyhow::Result<()> {
    match books.directory.business(business).await {
        Ok(Some(_)) | Err(StoreError::Unreadable { .. }) => Ok(()),
        Ok(None) => Err(no_such_business(business.as_str(), &*books.directory).await?),
        Err(error) => Err(error.into()),
    }
}
