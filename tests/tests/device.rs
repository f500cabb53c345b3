//! The devices of this build on this machine.

use burn::tensor::Device;
use recast_burn::DeviceKind;

tests![every_known_device_is_checked_or_reported_as_skipped];

/// The devices to check with automatic differentiation, by name.
pub(crate) fn devices() -> impl Iterator<Item = (String, Device)> {
    DeviceKind::available().into_iter().map(|kind| (kind.to_string(), kind.device().autodiff()))
}

fn every_known_device_is_checked_or_reported_as_skipped() {
    let mut checked = 0;
    for name in ["cpu", "ndarray", "cuda:0"] {
        match DeviceKind::find(name) {
            Ok(kind) => checked += usize::from(devices().any(|(name, _)| name == kind.to_string())),
            Err(missing) => eprintln!("skipped: {missing}"),
        }
    }
    assert!(checked > 0);
}
