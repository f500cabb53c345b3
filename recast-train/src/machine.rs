//! The memory of the machine, and the memory that the process took.

use std::fs;
use std::path::Path;

use recast_burn::DeviceKind;

/// The memory of a device in bytes: the GPU's own, or for a CPU the memory that this process may
/// take. `None` if the system does not tell.
#[must_use]
pub(crate) fn device_memory_bytes(kind: DeviceKind) -> Option<u64> {
    if kind.is_cpu() { memory_bytes() } else { kind.memory_bytes() }
}

/// The memory that this process may take, in bytes: the machine's, or less where a container or
/// another control group has a limit. `None` if the system does not tell (only Linux does).
#[must_use]
pub(crate) fn memory_bytes() -> Option<u64> {
    let table = fs::read_to_string("/proc/meminfo").ok()?;
    let line = table.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let machine = kibibytes(line)?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = group_limit(&groups, Path::new("/sys/fs/cgroup"));
    Some(limit.map_or(machine, |limit| limit.min(machine)))
}

/// The lowest memory limit of a process's control groups and of the groups around these.
///
/// `groups` is the process's `/proc/self/cgroup`. Version 2 has lines `0::/path` and limits in
/// `memory.max`; version 1 has `4:memory:/path` and `memory.limit_in_bytes`. Within a container the
/// path may be that of the host, of which only the root is seen.
///
/// See the kernel's documents, "Control Group v2" and "Memory Resource Controller".
fn group_limit(groups: &str, root: &Path) -> Option<u64> {
    let of_line = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let (folder, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            of if of.split(',').any(|it| it == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let limit = |path: &Path| -> Option<u64> {
            let folder = folder.join(path.strip_prefix("/").unwrap_or(path));
            fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()
        };
        Path::new(path).ancestors().filter_map(limit).min()
    };
    groups.lines().filter_map(of_line).min()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limit_of_the_groups_around_a_process_counts() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let limit = |groups: &str| group_limit(groups, root.path());
        assert_eq!(limit("0::/a/b\n"), None);
        put("a/b/memory.max", "max\n");
        assert_eq!(limit("0::/a/b\n"), None);
        put("a/memory.max", "4096\n");
        assert_eq!(limit("0::/a/b\n"), Some(4096));
        put("memory.max", "1024\n");
        assert_eq!(limit("0::/a/b\n"), Some(1024));
        // the path of the host, within a container
        assert_eq!(limit("0::/../../other\n"), Some(1024));
        put("memory/c/memory.limit_in_bytes", "512\n");
        assert_eq!(limit("5:cpu,cpuacct:/c\n4:hugetlb,memory:/c/d\n0::/\n"), Some(512));
        assert_eq!(limit("no line\n:\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_memory() {
        assert!(memory_bytes().unwrap() > 1 << 20);
    }
}
