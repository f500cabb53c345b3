//! The devices of this build.

use std::io::Write;

use burn::tensor::Device;
use recast_burn::DeviceKind;

/// Every device name that any build knows.
const KNOWN: [&str; 2] = ["cpu", "ndarray"];

/// The devices of this build with automatic differentiation, by name.
pub(crate) fn devices() -> impl Iterator<Item = (&'static str, Device)> {
    DeviceKind::ALL.iter().map(|kind| (kind.name(), kind.device().autodiff()))
}

#[test]
fn every_known_device_is_checked_or_reported_as_skipped() {
    for name in KNOWN {
        if let Err(unknown) = name.parse::<DeviceKind>() {
            // past the capture of the test harness, which hides what a passing test prints
            writeln!(std::io::stderr(), "skipped: {unknown}").expect("a standard error");
        }
    }
    assert!(DeviceKind::names().iter().all(|name| KNOWN.contains(name)), "name it above");
}
