//! The items of `cubecl-llvm` 0.11.3 that `cubecl-cuda` names, without LLVM. See README.md.

use std::ffi::c_char;
use std::fmt;

use cubecl_core::ir::nvidia::SmArch;
use cubecl_core::prelude::KernelDefinition;
use cubecl_environment::backtrace::BackTrace;
use cubecl_server::compiler::{CompilationError, Compiler};
use cubecl_server::kernel::BufferIOAttr;

/// PTX, which no code here writes.
pub mod nvptx {
    /// The versions of PTX.
    pub mod ptx_version {
        use std::fmt;

        /// A version of PTX. The enum is empty, since no compiler here writes PTX.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum PtxVersion {}

        impl PtxVersion {
            /// The newest version that a driver loads: none.
            #[must_use]
            pub fn for_driver(_driver: i32) -> Option<Self> {
                None
            }
        }

        impl fmt::Display for PtxVersion {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {}
            }
        }
    }
}

/// The items that compilers for several targets share.
pub mod shared {
    /// Features that a target's compiler lacks.
    pub mod lowered_features {
        use cubecl_core::ir::DeviceProperties;

        /// A target of the compiler.
        #[derive(Clone, Copy, Debug)]
        pub enum GpuTarget {
            /// NVIDIA's GPUs.
            Nvptx,
        }

        /// Takes no feature away: only a device whose kernels go through LLVM is restricted.
        pub fn restrict_features(_properties: &mut DeviceProperties, _target: GpuTarget) {}
    }
}

/// The target of the compiler's code.
#[derive(Clone, Copy, Debug, Default)]
pub enum LlvmTarget {
    /// NVIDIA's GPUs.
    #[default]
    Nvptx,
}

/// The compiler, which refuses every kernel.
#[derive(Clone, Debug, Default)]
pub struct PlironCompiler {
    /// The target of its code.
    pub target: LlvmTarget,
}

/// The compiler's options, unread.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    /// The architecture of another vendor's device.
    pub arch: Option<()>,
    /// The architecture of NVIDIA's device.
    pub sm_arch: Option<SmArch>,
    /// The newest PTX that the driver loads.
    pub ptx_version: Option<nvptx::ptx_version::PtxVersion>,
    /// Whether launch parameters are constants of the grid.
    pub grid_constants: bool,
    /// Keeps `..Default::default()` meaningful where all fields above are given.
    pub rest: (),
}

/// A compiled kernel.
#[derive(Clone, Debug)]
pub struct NvptxModule {
    /// The code of the kernel.
    pub ptx: Vec<c_char>,
    /// The name of the kernel's entry.
    pub entrypoint: String,
    /// The code in text.
    pub ir: String,
    /// Bytes of shared memory that a launch reserves.
    pub shared_memory_size: usize,
    /// The uses of the kernel's buffers.
    pub io: Vec<BufferIOAttr>,
}

/// A compiled kernel of any target.
#[derive(Clone)]
#[non_exhaustive]
pub enum PlironArtifact {
    /// A kernel for NVIDIA's devices.
    NvptxCode(NvptxModule),
}

impl fmt::Display for PlironArtifact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::NvptxCode(module) = self;
        formatter.write_str(&module.ir)
    }
}

impl Compiler for PlironCompiler {
    type Representation = PlironArtifact;
    type CompilationOptions = PlironOptions;

    fn compile(
        &mut self,
        _kernel: KernelDefinition,
        _options: &Self::CompilationOptions,
    ) -> Result<Self::Representation, CompilationError> {
        Err(CompilationError::Validation {
            reason: "this build has no LLVM: enable the feature cuda-cpp of cubecl".to_owned(),
            backtrace: BackTrace::capture(),
        })
    }

    fn extension(&self) -> &'static str {
        "ll"
    }

    fn lang_tag(&self) -> &'static str {
        "llvm"
    }
}
