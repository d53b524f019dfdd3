//! What the webhook of a business was not told yet.

use std::io::Write;

use anyhow::bail;

use super::calls::must_be_there;
use super::{Books, table};
use crate::domain::{About, BusinessId, Limit, Notice, NoticeId};

pub(super) async fn list(id: &str, books: &Books, out: &mut dyn Write) -> anyhow::Result<()> {
    let business = BusinessId::parse(id)?;
    let notices = books.outbox.notices(&business).await?;
    if notices.is_empty() {
        must_be_there(&business, books).await?;
        return Ok(writeln!(out, "nothing waits to be told")?);
    }
    table::write(out, ["NOTICE", "ABOUT", "SINCE", "TRIES", "NEXT", "LAST ERROR"], notices.iter().map(row))
}

fn row(notice: &Notice) -> [String; 6] {
    let about = match &notice.about {
        About::CallEnded { call } => format!("the end of {call}"),
        About::MessageTaken { call, .. } => format!("a message in {call}"),
        About::VoicemailLeft { call, .. } => format!("a voicemail in {call}"),
        About::LimitReached { limit: Limit::ConcurrentCalls, day } => {
            format!("too many calls at once on {day}")
        }
        About::LimitReached { limit: Limit::MinutesPerMonth, day } => format!("no minutes left on {day}"),
    };
    [
        notice.id.to_string(),
        about,
        table::time(notice.created_ms),
        notice.tries.to_string(),
        notice.due_ms.map_or_else(|| "given up".to_owned(), table::time),
        notice.last_error.as_deref().map_or_else(|| "-".to_owned(), table::on_one_line),
    ]
}

pub(super) async fn retry(id: &str, notice: &str, books: &Books, out: &mut dyn Write) -> anyhow::Result<()> {
    let (business, notice) = (BusinessId::parse(id)?, NoticeId::parse(notice)?);
    if !books.outbox.retry(&business, &notice, (books.clock)()).await? {
        must_be_there(&business, books).await?;
        bail!(
            "{id} has no notice {notice} that waits or was given up; `frontdesk business notices {id}` lists them"
        );
    }
    Ok(writeln!(out, "{notice} is due now: a running server sends it")?)
}
