//! A fixture: one cause, provoked, and what the doctor says of it.

use std::time::Duration;

use frontdesk::doctor::Examined;
use frontdesk::doctor::row::Row;
use frontdesk::doctor::verdict::{Level, Suspect, Verdict};
use futures_util::future::LocalBoxFuture;
use tokio::time::Instant;

/// A person waits for a verdict, and waits no longer.
const LONGEST: Duration = Duration::from_secs(30);

/// How an examination is made; it can be made again.
pub(crate) type Scene = Box<dyn Fn() -> LocalBoxFuture<'static, Examined>>;

/// One way to provoke a row, or a deployment that is good.
pub(crate) struct Fixture {
    /// What is wrong, in a few words.
    pub(crate) name: &'static str,
    /// What should be said of it.
    pub(crate) expected: Expected,
    scene: Scene,
}

/// What should be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Nothing at all.
    Healthy,
    /// That too little can be seen.
    Unclear,
    /// That this is at fault.
    Fault(Row),
    /// That this does no harm yet.
    Warning(Row),
}

/// What was said.
pub(crate) struct Seen {
    /// All of it; none when the fixture itself broke.
    pub(crate) examined: Option<Examined>,
    /// How long it took, with the deployment that was built for it.
    pub(crate) took: Duration,
}

/// This is at fault.
pub(crate) fn fault<F>(row: Row, name: &'static str, scene: impl Fn() -> F + 'static) -> Fixture
where
    F: Future<Output = Examined> + 'static,
{
    Fixture { name, expected: Expected::Fault(row), scene: Box::new(move || Box::pin(scene())) }
}

/// This does no harm yet.
pub(crate) fn warning<F>(row: Row, name: &'static str, scene: impl Fn() -> F + 'static) -> Fixture
where
    F: Future<Output = Examined> + 'static,
{
    Fixture { expected: Expected::Warning(row), ..fault(row, name, scene) }
}

/// Nothing is wrong.
pub(crate) fn healthy<F>(name: &'static str, scene: impl Fn() -> F + 'static) -> Fixture
where
    F: Future<Output = Examined> + 'static,
{
    Fixture { expected: Expected::Healthy, ..fault(Row::UpgradeStripped, name, scene) }
}

/// Too little can be seen.
pub(crate) fn unclear<F>(name: &'static str, scene: impl Fn() -> F + 'static) -> Fixture
where
    F: Future<Output = Examined> + 'static,
{
    Fixture { expected: Expected::Unclear, ..healthy(name, scene) }
}

impl Fixture {
    /// Has the doctor look at it.
    pub(crate) async fn examine(&self) -> Seen {
        let began = now();
        let examined = (self.scene)().await;
        Seen { examined: Some(examined), took: began.elapsed() }
    }
}

impl Expected {
    /// The row it is about.
    pub(crate) fn row(self) -> Option<Row> {
        match self {
            Self::Healthy | Self::Unclear => None,
            Self::Fault(row) | Self::Warning(row) => Some(row),
        }
    }
}

impl Seen {
    /// What a fixture that broke leaves.
    pub(crate) fn lost() -> Self {
        Self { examined: None, took: Duration::ZERO }
    }

    /// The verdict in a few words: the row at fault, else the warnings.
    pub(crate) fn verdict(&self) -> String {
        let Some(Examined { verdict, .. }) = &self.examined else { return "broke".to_owned() };
        let id = |suspect: &Suspect| suspect.row.known().id;
        let warnings: Vec<_> = verdict.warnings.iter().map(|it| format!("{}, warned of", id(it))).collect();
        match &verdict.fault {
            Some(fault) => id(fault).to_owned(),
            None if warnings.is_empty() && verdict.level == Level::Healthy => "nothing wrong".to_owned(),
            None if warnings.is_empty() => "too little seen".to_owned(),
            None => warnings.join("; "),
        }
    }

    /// What is not as it should be.
    pub(crate) fn complaints(&self, expected: Expected) -> Vec<String> {
        let Some(Examined { verdict, steps, facts, .. }) = &self.examined else {
            return vec!["the fixture broke".to_owned()];
        };
        let mut complaints = told_wrongly(verdict, expected);
        let heard = facts.call.as_ref().is_some_and(|call| call.first_audio_ms.is_some());
        if expected == Expected::Healthy && !heard {
            complaints.push("no whole call went through".to_owned());
        }
        let last_ms = steps.last().map_or(0, |step| step.at_ms);
        if Duration::from_millis(last_ms) > LONGEST {
            complaints.push(format!("it took {last_ms} ms"));
        }
        complaints
    }

    /// What was looked at, for whoever wants to know why.
    pub(crate) fn steps(&self) -> String {
        let steps = self.examined.iter().flat_map(|examined| &examined.steps);
        let lines = steps.map(|step| format!("      {:>6} {} {}", step.at_ms, step.phase, step.seen));
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn told_wrongly(verdict: &Verdict, expected: Expected) -> Vec<String> {
    let rows = |suspects: &[Suspect]| suspects.iter().map(|suspect| suspect.row).collect::<Vec<_>>();
    let mut complaints = Vec::new();
    let (fault, warnings) = (verdict.fault.as_ref().map(|fault| fault.row), rows(&verdict.warnings));
    let (wanted, level) = match expected {
        Expected::Healthy => ((None, vec![]), Level::Healthy),
        Expected::Unclear => ((None, vec![]), Level::CannotTell),
        Expected::Fault(row) => ((Some(row), vec![]), Level::Fault),
        Expected::Warning(row) => ((None, vec![row]), Level::Warning),
    };
    if (fault, warnings) != wanted || verdict.level != level {
        complaints.push(format!("{verdict:?} in place of {wanted:?}"));
    }
    let bare = |suspect: &&Suspect| suspect.evidence.iter().all(String::is_empty);
    if let Some(suspect) = verdict.fault.iter().chain(&verdict.warnings).find(bare) {
        complaints.push(format!("{} is told without evidence", suspect.row));
    }
    complaints
}

#[expect(clippy::disallowed_methods, reason = "a test that measures has a clock")]
fn now() -> Instant {
    Instant::now()
}
