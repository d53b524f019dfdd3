//! What a business used, by month.

use std::io::Write;

use super::calls::must_be_there;
use super::{Books, table};
use crate::domain::{BusinessId, Month, MonthUsage};

pub(super) async fn show(
    id: &str,
    month: Option<&str>,
    books: &Books,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let business = BusinessId::parse(id)?;
    let months = match month {
        Some(month) => vec![books.ledger.month(&business, Month::parse(month)?).await?],
        None => books.ledger.months(&business).await?,
    };
    let now = books.slots.taken(&business, (books.clock)()).await?;
    if now == 0 && months.iter().all(|month| month.calls == 0) {
        must_be_there(&business, books).await?;
    }
    writeln!(out, "calls now: {now}")?;
    if months.is_empty() {
        return Ok(writeln!(out, "nothing used yet")?);
    }
    let heading = ["MONTH", "CALLS", "TALKED", "READ", "CACHED", "MADE", "COST (ESTIMATE)"];
    table::write(out, heading, months.iter().map(row))
}

fn row(month: &MonthUsage) -> [String; 7] {
    let [read, cached, made] = [month.usage.input, month.usage.cached, month.usage.output]
        .map(|of| of.text.saturating_add(of.audio).saturating_add(of.image).to_string());
    let talked = table::length(month.talked_ms);
    [month.month.to_string(), month.calls.to_string(), talked, read, cached, made, month.cost.to_string()]
}
