//! What the kernel says of a process, and on which core it may run.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

/// The kernel counts time in these, whatever its own clock does: `sysconf(_SC_CLK_TCK)` on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time a process has had, all its threads and the kernel on its behalf, in milliseconds.
pub(crate) fn cpu_ms(id: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name stands in brackets and may hold blanks.
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let mut fields = behind_name.split_whitespace().skip(11);
    let mut ticks = || -> anyhow::Result<f64> { Ok(fields.next().context("a field is missing")?.parse()?) };
    Ok((ticks()? + ticks()?) * 1_000.0 / TICKS_PER_SECOND)
}

/// Resident memory now, and the most it ever was, in KiB.
pub(crate) fn memory_kib(id: u32) -> anyhow::Result<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let of = |name: &str| -> anyhow::Result<u64> {
        let line = status.lines().find(|line| line.starts_with(name)).context("the process has no memory")?;
        Ok(line.split_whitespace().nth(1).context("no number")?.parse()?)
    };
    Ok((of("VmRSS:")?, of("VmHWM:")?))
}

/// The program, on one core where `taskset` is there to say so.
pub(crate) fn pinned(program: &Path, core: usize) -> Command {
    if !can_pin() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

/// Whether processes can be kept on a core.
pub(crate) fn can_pin() -> bool {
    Command::new("taskset").arg("--version").output().is_ok_and(|said| said.status.success())
}

/// Processor, cores and kernel, in a line.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    format!(
        "{}, {cores} cores, Linux {}, load before {}",
        model.trim_start_matches([':', ' ', '\t']),
        kernel.trim(),
        load.split_whitespace().next().unwrap_or("unknown"),
    )
}
