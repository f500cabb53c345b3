//! The devices that hold tensors; no other file names burn's devices.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;

/// The place of tensors and operations. A caller names the device; no build picks a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceKind {
    /// The fast CPU backend.
    Cpu,
    /// The plain CPU backend, slower: the reference for the others.
    #[cfg(feature = "ndarray")]
    Ndarray,
    /// An NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Cuda {
        /// The number of the GPU, from 0, among those that the driver shows.
        index: usize,
    },
}

/// A fault in the choice of a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// No build knows a device of that name.
    #[error("no device '{name}'; the devices are: {}", DeviceKind::NAMES.join(", "))]
    Unknown {
        /// The given name.
        name: String,
    },
    /// Another build has the device.
    #[error("device '{name}' is not in this build; build with --features {feature}")]
    NotBuilt {
        /// The given name.
        name: String,
        /// The feature that brings the device.
        feature: &'static str,
    },
    /// The build knows the device, and the machine lacks it.
    #[error("device '{name}' is not on this machine, which has {found} of its kind{}", hint(*.found))]
    Absent {
        /// The device.
        name: String,
        /// The number of devices of this kind on the machine.
        found: usize,
    },
}

/// The advice for a machine without any GPU.
fn hint(found: usize) -> &'static str {
    if found == 0 { " (is NVIDIA's driver installed, and CUDA_VISIBLE_DEVICES right?)" } else { "" }
}

impl DeviceKind {
    /// The names of devices in configuration and on the command line, in any build.
    pub const NAMES: [&str; 4] = ["cpu", "ndarray", "cuda[:N]", "auto"];

    /// The devices that compute on the processor.
    const ON_CPU: &[Self] = &[
        Self::Cpu,
        #[cfg(feature = "ndarray")]
        Self::Ndarray,
    ];

    /// The devices that this build can use on this machine, the CPU first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let on_cpu = Self::ON_CPU.iter().copied();
        #[cfg(feature = "cuda")]
        return on_cpu.chain((0..cuda_devices()).map(|index| Self::Cuda { index })).collect();
        #[cfg(not(feature = "cuda"))]
        on_cpu.collect()
    }

    /// The first GPU if there is one, else the CPU.
    #[must_use]
    pub fn auto() -> Self {
        let is_gpu = |kind: &Self| !kind.is_cpu();
        Self::available().into_iter().find(is_gpu).unwrap_or(Self::Cpu)
    }

    /// The device of a name, if the build and the machine have one.
    ///
    /// `cuda` is `cuda:0`; `auto` is [`DeviceKind::auto`].
    ///
    /// # Errors
    ///
    /// If the name is none of [`DeviceKind::NAMES`], or if this build or this machine lacks the
    /// device.
    pub fn find(name: &str) -> Result<Self, DeviceError> {
        let kind = if name == "auto" { Self::auto() } else { name.parse()? };
        if Self::available().contains(&kind) {
            return Ok(kind);
        }
        let found = Self::available().iter().filter(|kind| !kind.is_cpu()).count();
        Err(DeviceError::Absent { name: kind.to_string(), found })
    }

    /// This device and the next `count - 1` GPUs; a processor only alone.
    ///
    /// # Errors
    ///
    /// If the machine has fewer devices.
    pub fn with_next(self, count: usize) -> Result<Vec<Self>, DeviceError> {
        match self {
            #[cfg(feature = "cuda")]
            Self::Cuda { index } => {
                (index..index + count).map(|index| Self::find(&format!("cuda:{index}"))).collect()
            }
            _ if count > 1 => {
                Err(DeviceError::Absent { name: format!("{count} x {self}"), found: 1 })
            }
            _ => Ok(vec![self]),
        }
    }

    /// Whether the device computes on the processor, where equal inputs give equal bits.
    #[must_use]
    pub fn is_cpu(self) -> bool {
        Self::ON_CPU.contains(&self)
    }

    /// The description for people: the backend, or a GPU's own name. The call opens a GPU.
    #[must_use]
    pub fn description(self) -> String {
        match self {
            Self::Cpu => "burn's backend flex".to_owned(),
            #[cfg(feature = "ndarray")]
            Self::Ndarray => "burn's backend ndarray, the plain reference".to_owned(),
            #[cfg(feature = "cuda")]
            Self::Cuda { .. } => {
                let identity = self.device().identity();
                identity.map_or_else(|| "a GPU without a name".to_owned(), |identity| identity.name)
            }
        }
    }

    /// The memory of a GPU in bytes; `None` for a CPU, or if the driver tells none. The call opens
    /// a GPU.
    #[must_use]
    pub fn memory_bytes(self) -> Option<u64> {
        match self {
            Self::Cpu => None,
            #[cfg(feature = "ndarray")]
            Self::Ndarray => None,
            #[cfg(feature = "cuda")]
            Self::Cuda { index } => {
                cubecl::Device::cuda(index).ok()?.client().properties().memory.max_memory()
            }
        }
    }

    /// The burn device, without automatic differentiation.
    ///
    /// [`DeviceKind::find`] checks that the GPU exists. On a missing GPU the first operation
    /// panics.
    #[must_use]
    pub fn device(self) -> Device {
        match self {
            Self::Cpu => Device::flex(),
            #[cfg(feature = "ndarray")]
            Self::Ndarray => ndarray(),
            #[cfg(feature = "cuda")]
            Self::Cuda { index } => Device::cuda(index),
        }
    }
}

/// Whether tensors of this device are in the machine's own memory, with or without automatic
/// differentiation.
#[must_use]
pub fn is_cpu(device: &Device) -> bool {
    let plain = device.clone().without_autodiff();
    DeviceKind::ON_CPU.iter().any(|kind| kind.device() == plain)
}

#[cfg(feature = "ndarray")]
#[expect(deprecated, reason = "the reference backend while burn still ships it")]
fn ndarray() -> Device {
    Device::ndarray()
}

/// GPUs that the driver shows; none without a driver.
#[cfg(feature = "cuda")]
fn cuda_devices() -> usize {
    Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec().len()
}

/// The name in configuration and on the command line.
impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            #[cfg(feature = "ndarray")]
            Self::Ndarray => f.write_str("ndarray"),
            #[cfg(feature = "cuda")]
            Self::Cuda { index } => write!(f, "cuda:{index}"),
        }
    }
}

/// A device of this build by its name, even if the machine lacks the device; see
/// [`DeviceKind::find`].
impl FromStr for DeviceKind {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        #[cfg(not(all(feature = "cuda", feature = "ndarray")))]
        let not_built = |feature| DeviceError::NotBuilt { name: name.to_owned(), feature };
        match (name, cuda_index(name)) {
            ("cpu", _) => Ok(Self::Cpu),
            #[cfg(feature = "ndarray")]
            ("ndarray", _) => Ok(Self::Ndarray),
            #[cfg(not(feature = "ndarray"))]
            ("ndarray", _) => Err(not_built("ndarray")),
            #[cfg(feature = "cuda")]
            (_, Some(index)) => Ok(Self::Cuda { index }),
            #[cfg(not(feature = "cuda"))]
            (_, Some(_)) => Err(not_built("cuda")),
            (_, None) => Err(DeviceError::Unknown { name: name.to_owned() }),
        }
    }
}

/// The number in `cuda:N`; 0 for `cuda`.
fn cuda_index(name: &str) -> Option<usize> {
    match name.strip_prefix("cuda")? {
        "" => Some(0),
        index => index.strip_prefix(':')?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_is_found_by_its_name() {
        for kind in DeviceKind::available() {
            assert_eq!(DeviceKind::find(&kind.to_string()), Ok(kind));
        }
    }

    #[test]
    fn a_device_knows_where_it_is() {
        for kind in DeviceKind::available() {
            assert_eq!(is_cpu(&kind.device()), kind.is_cpu());
            assert_eq!(is_cpu(&kind.device().autodiff()), kind.is_cpu());
        }
    }

    #[test]
    fn a_processor_is_one_device() {
        assert_eq!(DeviceKind::Cpu.with_next(1), Ok(vec![DeviceKind::Cpu]));
        let error = DeviceKind::Cpu.with_next(2).unwrap_err().to_string();
        assert!(error.contains("'2 x cpu' is not on this machine, which has 1"), "{error}");
    }

    #[test]
    fn auto_is_a_gpu_only_where_there_is_one() {
        let has_gpu = DeviceKind::available().iter().any(|kind| !kind.is_cpu());
        assert_eq!(DeviceKind::find("auto").map(|kind| !kind.is_cpu()), Ok(has_gpu));
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        for name in ["tpu", "cuda:", "cuda:-1", "cuda1", "CPU", ""] {
            let error = name.parse::<DeviceKind>().unwrap_err();
            assert_eq!(error, DeviceError::Unknown { name: name.to_owned() });
            assert!(error.to_string().contains("cpu, ndarray, cuda[:N], auto"), "{error}");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_of_another_build_names_its_feature() {
        let error = DeviceKind::find("cuda:1").unwrap_err().to_string();
        assert_eq!(error, "device 'cuda:1' is not in this build; build with --features cuda");
    }

    #[cfg(feature = "cuda")]
    #[test]
    fn a_gpu_that_is_not_there_is_absent() {
        let error = DeviceKind::find("cuda:9999").unwrap_err();
        assert!(matches!(&error, DeviceError::Absent { name, .. } if name == "cuda:9999"));
        assert!(error.to_string().contains("is not on this machine"), "{error}");
    }
}
