//! The only file that names a backend.

use burn::tensor::Device;

/// Where tensors live and operations run. Always named, never a default picked by the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceKind {
    /// The fast CPU backend.
    Cpu,
    /// The plain CPU backend: slower, the reference that others are compared with.
    #[cfg(feature = "ndarray")]
    Ndarray,
}

/// A device name that this build does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no device '{name}' in this build; it has: {known}", known = DeviceKind::names().join(", "))]
pub struct UnknownDevice {
    /// The name as given.
    pub name: String,
}

impl DeviceKind {
    /// Every kind that this build has, the default first.
    pub const ALL: &[Self] = &[
        Self::Cpu,
        #[cfg(feature = "ndarray")]
        Self::Ndarray,
    ];

    /// The name in configuration and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            #[cfg(feature = "ndarray")]
            Self::Ndarray => "ndarray",
        }
    }

    /// The names of [`DeviceKind::ALL`].
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|kind| kind.name()).collect()
    }

    /// The burn device, without automatic differentiation.
    #[must_use]
    pub fn device(self) -> Device {
        match self {
            Self::Cpu => Device::flex(),
            #[cfg(feature = "ndarray")]
            Self::Ndarray => ndarray(),
        }
    }
}

#[cfg(feature = "ndarray")]
#[expect(deprecated, reason = "the reference backend while burn still ships it")]
fn ndarray() -> Device {
    Device::ndarray()
}

impl std::str::FromStr for DeviceKind {
    type Err = UnknownDevice;

    fn from_str(name: &str) -> Result<Self, UnknownDevice> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| UnknownDevice { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_to_its_kind() {
        for &kind in DeviceKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "tpu".parse::<DeviceKind>().unwrap_err();
        assert!(error.to_string().contains("'tpu'") && error.to_string().contains("cpu"));
    }
}
