//! The memory of the machine, and the memory that the process took.

use recast_burn::DeviceKind;

/// The memory of a device in bytes: the GPU's own, or the machine's for a CPU. `None` if the system
/// does not tell.
#[must_use]
pub(crate) fn device_memory_bytes(kind: DeviceKind) -> Option<u64> {
    if !kind.is_cpu() {
        return kind.memory_bytes();
    }
    let table = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = table.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    kibibytes(line)
}

/// The name of the processor. `None` if the system does not tell.
#[must_use]
pub(crate) fn processor() -> Option<String> {
    let table = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = table.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// A field such as `   12 kB` in bytes.
fn kibibytes(field: &str) -> Option<u64> {
    let kibibytes: u64 = field.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The largest resident size of this process so far, in bytes. `None` if the system does not tell
/// (only Linux does).
#[must_use]
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    kibibytes(line)
}

/// Restarts [`peak_memory_bytes`] from the present resident size. Returns false if the system
/// cannot.
#[must_use]
pub(crate) fn reset_peak_memory() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}
