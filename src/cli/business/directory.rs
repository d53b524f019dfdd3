//! Who answers: list, show, import, export and remove; and the plans they have.

use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, anyhow, bail};

use super::table;
use crate::domain::{AtLimit, Business, BusinessId, BusinessImport, PhoneNumber, Plan};
use crate::store::import::{self as check, Checked};
use crate::store::{Directory, StoreError};

/// A larger file is no list of businesses.
const IMPORT_BYTES: u64 = 64 * 1024 * 1024;

/// How many are asked for at once: some MB at most.
const PART: u32 = 500;

pub(super) async fn list(directory: &dyn Directory, out: &mut dyn Write) -> anyhow::Result<()> {
    let All { read, unreadable } = all_businesses(directory).await?;
    warn(&unreadable, out)?;
    if read.is_empty() && unreadable.is_empty() {
        return Ok(writeln!(
            out,
            "no businesses yet: write a file and run `frontdesk business import FILE`"
        )?);
    }
    table::write(out, ["ID", "NAME", "PLAN", "VOICE", "LINES"], read.iter().map(row))
}

/// One that does not read takes no other with it, and is not passed over in silence.
fn warn(unreadable: &[StoreError], out: &mut dyn Write) -> anyhow::Result<()> {
    for error in unreadable {
        writeln!(out, "warning: {error}")?;
    }
    Ok(())
}

fn row(business: &Business) -> [String; 5] {
    let lines: Vec<&str> = business.lines.iter().map(PhoneNumber::as_str).collect();
    [
        business.id.to_string(),
        table::on_one_line(&business.name),
        business.plan.to_string(),
        business.voice.as_str().to_owned(),
        if lines.is_empty() { "(none)".to_owned() } else { lines.join(", ") },
    ]
}

pub(super) async fn plans(directory: &dyn Directory, out: &mut dyn Write) -> anyhow::Result<()> {
    let All { read, unreadable } = all_plans(directory).await?;
    warn(&unreadable, out)?;
    if read.is_empty() && unreadable.is_empty() {
        return Ok(writeln!(out, "no plans yet: write a file and run `frontdesk business import FILE`")?);
    }
    let heading = ["ID", "CALLS", "MINUTES/MONTH", "MINUTES/CALL", "MODEL", "RECORDING", "AT LIMIT"];
    table::write(out, heading, read.iter().map(plan_row))
}

fn plan_row(plan: &Plan) -> [String; 7] {
    [
        plan.id.to_string(),
        plan.concurrent_calls.to_string(),
        plan.minutes_per_month.to_string(),
        plan.minutes_per_call.to_string(),
        plan.model.clone().unwrap_or_else(|| "(usual)".to_owned()),
        if plan.recording { "yes" } else { "no" }.to_owned(),
        match plan.at_limit {
            AtLimit::FallBack => "fall back",
            AtLimit::Answer => "answer",
        }
        .to_owned(),
    ]
}

pub(super) async fn show(id: &str, directory: &dyn Directory, out: &mut dyn Write) -> anyhow::Result<()> {
    if let Some(business) = directory.business(&BusinessId::parse(id)?).await? {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&business)?)?);
    }
    Err(no_such_business(id, directory).await?)
}

/// What is said of a business that is not there, with the one that was probably meant.
pub(super) async fn no_such_business(id: &str, directory: &dyn Directory) -> anyhow::Result<anyhow::Error> {
    let businesses = all_businesses(directory).await?.read;
    let near = check::nearest(id, businesses.iter().map(|business| business.id.as_str()));
    Ok(match near {
        Some(near) => anyhow!("there is no business {id}; did you mean {near}?"),
        None => anyhow!("there is no business {id}; `frontdesk business list` shows those there are"),
    })
}

pub(super) async fn remove(id: &str, directory: &dyn Directory, out: &mut dyn Write) -> anyhow::Result<()> {
    if !directory.remove_business(&BusinessId::parse(id)?).await? {
        return Err(no_such_business(id, directory).await?);
    }
    Ok(writeln!(out, "removed {id}; its calls stay")?)
}

pub(super) async fn import_file(
    file: &Path,
    directory: &dyn Directory,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    import(&read(file)?, &file.display().to_string(), directory, out).await
}

pub(super) async fn import(
    text: &str,
    file: &str,
    directory: &dyn Directory,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Checked { right, mistakes, warnings } = check::read_file(text).against(directory).await?;
    for warning in &warnings {
        writeln!(out, "warning: {warning}")?;
    }
    let Some(import) = right else {
        let list: Vec<String> = mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect();
        bail!("{file} has {}; nothing was imported{}", count(mistakes.len(), "mistake"), list.concat());
    };
    directory.import(&import).await?;
    let (businesses, plans) = (count_businesses(import.businesses.len()), count(import.plans.len(), "plan"));
    writeln!(out, "imported {businesses} and {plans}")?;
    Ok(())
}

pub(super) async fn export(
    path: Option<&Path>,
    directory: &dyn Directory,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (plans, businesses) = (all_plans(directory).await?, all_businesses(directory).await?);
    let all = BusinessImport { plans: plans.whole()?, businesses: businesses.whole()? };
    let mut text = serde_json::to_string_pretty(&all)?;
    text.push('\n');
    let Some(path) = path else { return Ok(out.write_all(text.as_bytes())?) };
    std::fs::write(path, text).with_context(|| format!("could not write {}", path.display()))?;
    Ok(writeln!(out, "wrote {}", path.display())?)
}

/// All of a list.
struct All<T> {
    read: Vec<T>,
    unreadable: Vec<StoreError>,
}

impl<T> All<T> {
    /// All of it, or why one of them does not read: an export must not lose one.
    fn whole(self) -> Result<Vec<T>, StoreError> {
        self.unreadable.into_iter().next().map_or(Ok(self.read), Err)
    }
}

async fn all_businesses(directory: &dyn Directory) -> Result<All<Business>, StoreError> {
    let (mut all, mut after) = (All { read: Vec::new(), unreadable: Vec::new() }, None);
    loop {
        let part = directory.businesses(after.as_ref(), PART).await?;
        all.read.extend(part.items);
        all.unreadable.extend(part.unreadable);
        after = match part.next {
            Some(next) => Some(next),
            None => return Ok(all),
        };
    }
}

async fn all_plans(directory: &dyn Directory) -> Result<All<Plan>, StoreError> {
    let (mut all, mut after) = (All { read: Vec::new(), unreadable: Vec::new() }, None);
    loop {
        let part = directory.plans(after.as_ref(), PART).await?;
        all.read.extend(part.items);
        all.unreadable.extend(part.unreadable);
        after = match part.next {
            Some(next) => Some(next),
            None => return Ok(all),
        };
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(IMPORT_BYTES + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(IMPORT_BYTES + 1).read_to_string(&mut text))
    };
    read.with_context(|| format!("could not read {}", file.display()))?;
    if u64::try_from(text.len())? > IMPORT_BYTES {
        bail!("{} is larger than {} MB; import it in parts", file.display(), IMPORT_BYTES / 1024 / 1024);
    }
    Ok(text)
}

fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn count_businesses(number: usize) -> String {
    if number == 1 { "1 business".to_owned() } else { format!("{number} businesses") }
}
