//! What a directory last said: in memory, and in a file that survives a restart.
//!
//! The file is written whole beside its place and then renamed, so a reader finds the old or the new one. It is not
//! forced to the disk: it must outlive the process, not the machine, and a file a power cut left empty is ignored.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use serde::{Deserialize, Serialize};

use crate::domain::{Business, BusinessId, PhoneNumber, Plan, PlanId};

/// More than one machine answers for; tens of MB if every one of them is full.
const ENTRIES: u64 = 10_000;

/// What ten thousand businesses of a few KB need; a larger file is not ours.
const FILE_BYTES: u64 = 64 * 1024 * 1024;

/// A restart loses what was learnt in the last minute, and the disk is spared the rest.
const WRITE_PAUSE: Duration = Duration::from_secs(60);

/// How many documents are written down (about 0.2 ms) before other tasks of the thread have their turn.
const DOCUMENTS_A_TURN: usize = 64;

/// What a directory last said of each business, line and plan.
pub(super) struct LastKnown {
    businesses: Cache<BusinessId, Arc<Business>>,
    lines: Cache<PhoneNumber, BusinessId>,
    plans: Cache<PlanId, Arc<Plan>>,
    file: Option<File>,
}

/// Where it is kept on disk.
struct File {
    path: PathBuf,
    /// How long the lookup that writes waits for the disk.
    patience: Duration,
    /// Whether memory holds what the disk does not.
    changed: AtomicBool,
    /// Holds its one entry for [`WRITE_PAUSE`] after a write began.
    pause: Cache<(), ()>,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Entry {
    Plan(Arc<Plan>),
    Business(Arc<Business>),
    Line(PhoneNumber, BusinessId),
}

impl LastKnown {
    /// What the file holds, if there is one and it reads.
    pub(super) fn open(path: Option<PathBuf>, patience: Duration) -> Self {
        let mut known = Self { businesses: kept(), lines: kept(), plans: kept(), file: None };
        let Some(path) = path else { return known };
        match read(&path) {
            Ok(entries) => entries.into_iter().for_each(|entry| known.take(entry)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "cannot read what the directory last said; starting without");
            }
        }
        let pause = Cache::builder().max_capacity(1).time_to_live(WRITE_PAUSE).build();
        known.file = Some(File { path, patience, changed: AtomicBool::new(false), pause });
        known
    }

    pub(super) fn keep_business(&self, business: &Arc<Business>) {
        if self.businesses.get(&business.id).as_ref() != Some(business) {
            self.businesses.insert(business.id.clone(), Arc::clone(business));
            for line in &business.lines {
                self.lines.insert(line.clone(), business.id.clone());
            }
            self.has_changed();
        }
    }

    pub(super) fn keep_line(&self, line: &PhoneNumber, business: &BusinessId) {
        if self.lines.get(line).as_ref() != Some(business) {
            self.lines.insert(line.clone(), business.clone());
            self.has_changed();
        }
    }

    pub(super) fn keep_plan(&self, plan: &Arc<Plan>) {
        if self.plans.get(&plan.id).as_ref() != Some(plan) {
            self.plans.insert(plan.id.clone(), Arc::clone(plan));
            self.has_changed();
        }
    }

    pub(super) fn forget_business(&self, id: &BusinessId) {
        if self.businesses.remove(id).is_some() {
            self.has_changed();
        }
    }

    pub(super) fn forget_line(&self, line: &PhoneNumber) {
        if self.lines.remove(line).is_some() {
            self.has_changed();
        }
    }

    pub(super) fn forget_plan(&self, id: &PlanId) {
        if self.plans.remove(id).is_some() {
            self.has_changed();
        }
    }

    pub(super) fn business(&self, id: &BusinessId) -> Option<Arc<Business>> {
        self.businesses.get(id)
    }

    pub(super) fn business_by_line(&self, line: &PhoneNumber) -> Option<Arc<Business>> {
        self.businesses.get(&self.lines.get(line)?)
    }

    pub(super) fn plan(&self, id: &PlanId) -> Option<Arc<Plan>> {
        self.plans.get(id)
    }

    /// Writes the file when there is something new and the last write is long enough ago. Failing costs no answer.
    pub(super) async fn write_when_due(&self) {
        let Some(file) = &self.file else { return };
        if !file.changed.load(Ordering::Acquire) || !file.pause.entry(()).or_insert(()).is_fresh() {
            return;
        }
        file.changed.store(false, Ordering::Release);
        let written = match tokio::time::timeout(file.patience, self.write(&file.path)).await {
            Ok(written) => written,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        if let Err(error) = written {
            file.changed.store(true, Ordering::Release);
            tracing::warn!(%error, path = %file.path.display(), "cannot write down what the directory last said");
        }
    }

    async fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = Vec::new();
        for (turn, entry) in self.entries().iter().enumerate() {
            serde_json::to_writer(&mut text, entry)?;
            text.push(b'\n');
            if turn % DOCUMENTS_A_TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > FILE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await?;
        }
        let beside = path.with_added_extension(format!("{}.tmp", std::process::id()));
        tokio::fs::write(&beside, text).await?;
        tokio::fs::rename(&beside, path).await
    }

    /// All of it, in order.
    fn entries(&self) -> Vec<Entry> {
        let plans: BTreeMap<_, _> = self.plans.iter().collect();
        let businesses: BTreeMap<_, _> = self.businesses.iter().collect();
        let lines: BTreeMap<_, _> = self.lines.iter().collect();
        let plans = plans.into_values().map(Entry::Plan);
        let businesses = businesses.into_values().map(Entry::Business);
        plans
            .chain(businesses)
            .chain(lines.into_iter().map(|(line, id)| Entry::Line((*line).clone(), id)))
            .collect()
    }

    fn take(&self, entry: Entry) {
        match entry {
            Entry::Plan(plan) => self.plans.insert(plan.id.clone(), plan),
            Entry::Business(business) => self.businesses.insert(business.id.clone(), business),
            Entry::Line(line, id) => self.lines.insert(line, id),
        }
    }

    fn has_changed(&self) {
        if let Some(file) = &self.file {
            file.changed.store(true, Ordering::Release);
        }
    }
}

fn kept<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static>() -> Cache<K, V> {
    Cache::builder().max_capacity(ENTRIES).build()
}

/// All lines of the file, or an error that quotes none.
fn read(path: &Path) -> io::Result<Vec<Entry>> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > FILE_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let entry = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, format!("line {} does not read", number + 1))
        })
    };
    text.lines().enumerate().map(entry).collect()
}
