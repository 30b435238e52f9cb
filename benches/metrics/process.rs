//! What this process has used of the machine.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// What this thread has used of its core.
pub fn processor_time() -> Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split_whitespace().next().context("no schedstat")?.parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// What memory it has, in KiB.
pub fn memory() -> Result<u64> {
    status("VmRSS:")
}

/// The most that it had since [`forget_the_most_memory`], in KiB.
pub fn most_memory() -> Result<u64> {
    status("VmHWM:")
}

/// <https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html>
pub fn forget_the_most_memory() -> Result<()> {
    Ok(fs::write("/proc/self/clear_refs", "5")?)
}

fn status(name: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("not in the status")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
