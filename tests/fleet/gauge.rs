//! What one process holds just now: memory, files, sockets, tasks and calls.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::instance::Instance;

/// One look at a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gauge {
    /// Resident memory, in KiB.
    pub(crate) memory_kib: u64,
    /// Open files that are no sockets.
    pub(crate) files: usize,
    /// Open sockets, but for those that are kept open to one port: the REST interface's, for the next call.
    pub(crate) sockets: usize,
    /// Calls in flight.
    pub(crate) calls: u64,
    /// Tasks that a drain would wait for.
    pub(crate) work: u64,
    /// Tasks that serve them, connections among them.
    pub(crate) background: u64,
}

impl Gauge {
    /// Looks at a process, as the system and it itself tell of it.
    pub(crate) async fn of(instance: &Instance, kept_open_to: u16) -> Self {
        let id = instance.id();
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        let health = http.get(format!("http://{}/health", instance.address())).send().await.unwrap();
        let health: Value = serde_json::from_str(&health.text().await.unwrap()).unwrap();
        let tells = |name: &str| health[name].as_u64().unwrap();
        let (files, sockets) = open(id, kept_open_to);
        let (calls, work, background) = (tells("connections"), tells("work"), tells("background"));
        Self { memory_kib: memory_kib(id), files, sockets, calls, work, background }
    }
}

fn memory_kib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// How many files and sockets are open.
fn open(id: u32, kept_open_to: u16) -> (usize, usize) {
    let kept = inodes_to(id, kept_open_to);
    let descriptors = fs::read_dir(format!("/proc/{id}/fd")).unwrap();
    // One that was closed since it was listed is none.
    let open = descriptors.filter_map(|descriptor| fs::read_link(descriptor.unwrap().path()).ok());
    let names: Vec<_> = open.map(|name| name.to_string_lossy().into_owned()).collect();
    let socket = |name: &&String| name.starts_with("socket:");
    let counted = |name: &&String| !kept.contains(name.as_str());
    let sockets = names.iter().filter(socket).filter(counted).count();
    (names.iter().filter(|name| !socket(name)).count(), sockets)
}

/// The sockets that lead to a port, by the names they have among the open files.
fn inodes_to(id: u32, port: u16) -> BTreeSet<String> {
    let table = fs::read_to_string(format!("/proc/{id}/net/tcp")).unwrap();
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let there = format!(":{port:04X}");
    rows.filter(|row| row[2].ends_with(&there)).map(|row| format!("socket:[{}]", row[9])).collect()
}
