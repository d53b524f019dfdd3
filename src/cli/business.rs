//! `frontdesk business`: list, show, import and export who answers.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::domain::{Business, BusinessId, BusinessImport, PhoneNumber, Plan};
use crate::store::Directory;
use crate::store::import::{self as check, Checked};

/// A larger file is no list of businesses.
const IMPORT_BYTES: u64 = 64 * 1024 * 1024;

/// What to do with the businesses.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub(super) enum BusinessCommand {
    /// Lists the businesses: id, name, plan, voice and lines.
    List,
    /// Prints one business as JSON.
    Show {
        /// Its id.
        id: String,
    },
    /// Takes in businesses and plans from a JSON file. What has the same id is replaced; what is not in the file stays.
    /// The file is checked first, and nothing is imported unless all of it is right.
    Import {
        /// The file, as `export` writes it; `-` reads standard input.
        file: PathBuf,
    },
    /// Prints all businesses and plans as JSON, as `import` reads them.
    Export {
        /// Writes to this file instead.
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

/// Does what the command says, and prints to `out` what came of it.
pub(super) async fn run(
    command: BusinessCommand,
    directory: &dyn Directory,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match command {
        BusinessCommand::List => list(directory, out).await,
        BusinessCommand::Show { id } => show(&id, directory, out).await,
        BusinessCommand::Import { file } => {
            let text = read(&file)?;
            import(&text, &file.display().to_string(), directory, out).await
        }
        BusinessCommand::Export { out: None } => Ok(out.write_all(export(directory).await?.as_bytes())?),
        BusinessCommand::Export { out: Some(path) } => {
            let text = export(directory).await?;
            std::fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
            Ok(writeln!(out, "wrote {}", path.display())?)
        }
    }
}

async fn list(directory: &dyn Directory, out: &mut dyn Write) -> anyhow::Result<()> {
    let businesses = all_businesses(directory).await?;
    if businesses.is_empty() {
        writeln!(out, "no businesses yet: write a file and run `frontdesk business import FILE`")?;
        return Ok(());
    }
    let heading = ["ID", "NAME", "PLAN", "VOICE", "LINES"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(businesses.iter().map(row)).collect();
    let mut widths = [0; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

fn row(business: &Business) -> [String; 5] {
    let lines: Vec<&str> = business.lines.iter().map(PhoneNumber::as_str).collect();
    [
        business.id.to_string(),
        // A name is whatever people wrote; one business is one line of the table.
        business.name.split_whitespace().collect::<Vec<_>>().join(" "),
        business.plan.to_string(),
        business.voice.as_str().to_owned(),
        if lines.is_empty() { "(none)".to_owned() } else { lines.join(", ") },
    ]
}

async fn show(id: &str, directory: &dyn Directory, out: &mut dyn Write) -> anyhow::Result<()> {
    if let Some(business) = directory.business(&BusinessId::parse(id)?).await? {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&business)?)?);
    }
    let businesses = all_businesses(directory).await?;
    match check::nearest(id, businesses.iter().map(|business| business.id.as_str())) {
        Some(near) => bail!("there is no business {id}; did you mean {near}?"),
        None => bail!("there is no business {id}; `frontdesk business list` shows those there are"),
    }
}

async fn import(
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

async fn export(directory: &dyn Directory) -> anyhow::Result<String> {
    let all =
        BusinessImport { plans: all_plans(directory).await?, businesses: all_businesses(directory).await? };
    let mut text = serde_json::to_string_pretty(&all)?;
    text.push('\n');
    Ok(text)
}

/// Every business, or the error of the first that does not read: an export must not lose one.
async fn all_businesses(directory: &dyn Directory) -> anyhow::Result<Vec<Business>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let part = directory.businesses(after.as_ref(), PART).await?;
        if let Some(error) = part.unreadable.into_iter().next() {
            return Err(error.into());
        }
        all.extend(part.items);
        after = match part.next {
            Some(next) => Some(next),
            None => return Ok(all),
        };
    }
}

/// The same for plans.
async fn all_plans(directory: &dyn Directory) -> anyhow::Result<Vec<Plan>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let part = directory.plans(after.as_ref(), PART).await?;
        if let Some(error) = part.unreadable.into_iter().next() {
            return Err(error.into());
        }
        all.extend(part.items);
        after = match part.next {
            Some(next) => Some(next),
            None => return Ok(all),
        };
    }
}

/// How many are asked for at once: some MB at most.
const PART: u32 = 500;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{PlanId, Voice};
    use crate::store::Sqlite;
    use crate::store::conformance::one_business;

    async fn store() -> Sqlite {
        Sqlite::open("sqlite::memory:").await.unwrap()
    }

    /// What a command prints, or says in failing.
    async fn does(command: BusinessCommand, store: &Sqlite) -> Result<String, String> {
        let mut out = Vec::new();
        let outcome = run(command, store, &mut out).await;
        outcome.map(|()| String::from_utf8(out).unwrap()).map_err(|error| format!("{error:#}"))
    }

    fn export_to(path: &Path) -> BusinessCommand {
        BusinessCommand::Export { out: Some(path.to_owned()) }
    }

    #[tokio::test]
    async fn what_is_exported_imports_and_exports_as_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("first.json"), folder.path().join("second.json"));
        let (one, other) = (store().await, store().await);
        for _ in 0..3 {
            one.import(&one_business()).await.unwrap();
        }
        let said = does(export_to(&first), &one).await.unwrap();
        assert_eq!(said, format!("wrote {}\n", first.display()));
        let said = does(BusinessCommand::Import { file: first.clone() }, &other).await.unwrap();
        assert_eq!(said, "imported 3 businesses and 3 plans\n");
        does(export_to(&second), &other).await.unwrap();
        let (first, second) = (std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
        assert_eq!(first, second);
        assert_eq!(does(BusinessCommand::Export { out: None }, &one).await.unwrap().as_bytes(), first);
    }

    #[tokio::test]
    async fn the_file_of_the_readme_imports() {
        let text = r#"{"plans":[{"id":"premium","concurrentCalls":10,"minutesPerMonth":2000,"minutesPerCall":30}],
          "businesses":[{"id":"business-1","name":"Luna Dental","plan":"premium","lines":["+15551234567"],
            "greeting":"Thanks for calling Luna Dental. How can I help?","instructions":"You are the receptionist of Luna Dental.",
            "voice":"marin","language":"en",
            "destinations":[{"id":"front-office","label":"the front office","number":"+15550001111"}],
            "fallback":{"transfer":"front-office"},"tools":["end_call","transfer_call","take_message"]}]}"#;
        let (store, mut out) = (store().await, Vec::new());
        import(text, "luna.json", &store, &mut out).await.unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "imported 1 business and 1 plan\n");
        let luna = store.business_by_line(&PhoneNumber::parse("+15551234567").unwrap()).await.unwrap();
        assert_eq!(luna.unwrap().name, "Luna Dental");
    }

    #[tokio::test]
    async fn all_mistakes_are_told_together_and_nothing_is_written() {
        let text = r#"{"plans":[{"id":"p","concurrentCalls":1,"minutesPerMonth":1,"minutesPerCall":1}],
            "businesses":[{"id":"luna","name":"Luna","plan":"gone","greeting":"","instructions":"x","voice":"mari"},
                          {"id":"sol","name":"Sol","plan":"p","greeting":"Hi","instructions":"x","lines":["123"]}]}"#;
        let (store, mut out) = (store().await, Vec::new());
        let error = import(text, "two.json", &store, &mut out).await.unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(lines[0], "two.json has 3 mistakes; nothing was imported");
        assert!(lines[1].starts_with("  businesses[0].greeting: is empty"), "{error}");
        assert!(
            lines[2].starts_with("  businesses[1].lines[0]: a phone number is written in E.164"),
            "{error}"
        );
        assert!(lines[3].starts_with("  businesses[0].plan: the plan gone is neither"), "{error}");
        assert_eq!(lines.len(), 4);
        assert!(
            String::from_utf8(out).unwrap().starts_with("warning: businesses[0].voice: OpenAI does not name")
        );
        assert_eq!(
            (all_plans(&store).await.unwrap(), all_businesses(&store).await.unwrap()),
            (vec![], vec![])
        );
    }

    #[tokio::test]
    async fn the_list_is_a_table_that_needs_no_colour() {
        let store = store().await;
        assert!(does(BusinessCommand::List, &store).await.unwrap().starts_with("no businesses yet"));
        let (mut import, mut other) = (one_business(), one_business());
        import.plans[0].id = PlanId::parse("premium").unwrap();
        import.businesses.append(&mut other.businesses);
        for (business, (id, name)) in
            import.businesses.iter_mut().zip([("luna", "Lüna\nDental"), ("sol-bakery", "Sol")])
        {
            business.id = BusinessId::parse(id).unwrap();
            business.name = name.to_owned();
            business.plan = import.plans[0].id.clone();
            business.voice = Voice::new("cedar");
        }
        import.businesses[0].lines = vec![PhoneNumber::parse("+15551234567").unwrap()];
        import.businesses[1].lines.clear();
        store.import(&import).await.unwrap();
        let expected = "\
ID          NAME         PLAN     VOICE  LINES
luna        Lüna Dental  premium  cedar  +15551234567
sol-bakery  Sol          premium  cedar  (none)
";
        assert_eq!(does(BusinessCommand::List, &store).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn one_business_is_shown_as_json_and_a_stranger_is_told_who_is_near() {
        let (store, mut import) = (store().await, one_business());
        import.businesses[0].id = BusinessId::parse("business-1").unwrap();
        store.import(&import).await.unwrap();
        let show = async |id: &str| does(BusinessCommand::Show { id: id.to_owned() }, &store).await;
        let shown: Business = serde_json::from_str(&show("business-1").await.unwrap()).unwrap();
        assert_eq!(Some(&shown), import.businesses.first());
        assert_eq!(
            show("buisness-1").await.unwrap_err(),
            "there is no business buisness-1; did you mean business-1?"
        );
        assert!(show("x").await.unwrap_err().contains("`frontdesk business list`"));
        assert!(show("a b").await.unwrap_err().starts_with("a business id must be"));
    }

    #[tokio::test]
    async fn files_that_cannot_be_read_or_written_are_named() {
        let (store, folder) = (store().await, tempfile::tempdir().unwrap());
        let gone = folder.path().join("gone/file.json");
        let error = does(BusinessCommand::Import { file: gone.clone() }, &store).await.unwrap_err();
        assert!(error.starts_with(&format!("could not read {}: ", gone.display())), "{error}");
        let error = does(export_to(&gone), &store).await.unwrap_err();
        assert!(error.starts_with(&format!("could not write {}: ", gone.display())), "{error}");
    }

    #[test]
    fn the_commands_read_as_they_are_written() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(subcommand)]
            command: BusinessCommand,
        }
        let parse = |words: &[&str]| <Line as clap::Parser>::try_parse_from(words).map(|line| line.command);
        assert_eq!(parse(&["b", "list"]).unwrap(), BusinessCommand::List);
        assert_eq!(parse(&["b", "show", "luna"]).unwrap(), BusinessCommand::Show { id: "luna".to_owned() });
        assert_eq!(parse(&["b", "import", "-"]).unwrap(), BusinessCommand::Import { file: "-".into() });
        assert_eq!(parse(&["b", "export", "--out", "x"]).unwrap(), export_to(Path::new("x")));
        assert!(parse(&["b", "import"]).is_err());
    }
}
