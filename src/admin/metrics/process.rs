//! The process, by the names that Prometheus's own libraries give these metrics. What the system does not tell is
//! left out.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

use super::{
    families::{Families, precise},
    running::seconds,
};

pub(super) fn collect(families: &mut Families, started: SystemTime) {
    let help = "When the process was started, in seconds since 1970.";
    families.gauge("process_start_time_seconds", help, seconds(started));
    let help = "Processor time that the process has used, for itself and in the system.";
    families.seconds("process_cpu_seconds_total", help, processor_time().as_secs_f64());
    // One of them is the folder that is being read.
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        let open = open.count().saturating_sub(1);
        families.gauge("process_open_fds", "Files that the process has open, sockets included.", precise(open as u64));
    }
    if let Some(soft) = getrlimit(Resource::Nofile).current {
        families.gauge("process_max_fds", "Files that the process may have open.", precise(soft));
    }
    let Ok(status) = fs::read_to_string("/proc/self/status") else { return };
    for (name, help, key, unit) in [
        ("process_resident_memory_bytes", "Memory that the process has.", "VmRSS:", 1024),
        ("process_virtual_memory_bytes", "Addresses that the process has.", "VmSize:", 1024),
        ("process_threads", "Threads of the process.", "Threads:", 1),
    ] {
        if let Some(value) = field(&status, key) {
            families.gauge(name, help, precise(value * unit));
        }
    }
}

/// The number after a key (proc(5)).
fn field(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

fn processor_time() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(used.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(used.tv_nsec).unwrap_or_default())
}
