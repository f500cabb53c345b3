//! The vector instructions of CPU kernels, chosen once for all kernels.
//!
//! The fused operations compute equal bits with all vectors. A matrix product does not: the vectors
//! split its sums. Equal seeds give equal bits on the same kind of CPU.

use std::fmt;
use std::sync::OnceLock;

use pulp::Arch;

/// The environment variable that, set and not empty, leaves AVX-512 unused.
///
/// A process reads the variable once. burn's own operations, among them products of other numbers
/// than f32, ignore it.
pub const NO_AVX512: &str = "RECAST_NO_AVX512";

/// Vector instructions of a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Vectors {
    /// The vectors that every CPU of the architecture has.
    Baseline,
    /// 4 numbers of f32 at once, on ARM.
    Neon,
    /// 8 numbers of f32 at once, with fused multiplication and addition.
    Avx2,
    /// 16 numbers of f32 at once.
    Avx512,
}

impl Vectors {
    /// The vectors that kernels use in this process.
    ///
    /// # Examples
    ///
    /// ```
    /// println!("vectors {}", recast_burn::vectors::Vectors::in_use());
    /// ```
    #[must_use]
    pub fn in_use() -> Self {
        chosen().0
    }

    /// The name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Neon => "NEON",
            Self::Avx2 => "AVX2",
            Self::Avx512 => "AVX-512",
        }
    }
}

impl fmt::Display for Vectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Runs a kernel, compiled for the vectors in use.
///
/// Plain loops of `kernel` become vector instructions after inlining: the functions that `kernel`
/// calls should be `#[inline(always)]` or generic.
#[inline]
pub fn dispatch<R>(kernel: impl FnOnce() -> R) -> R {
    chosen().1.dispatch(kernel)
}

fn chosen() -> (Vectors, Arch) {
    static CHOSEN: OnceLock<(Vectors, Arch)> = OnceLock::new();
    *CHOSEN.get_or_init(|| best(std::env::var_os(NO_AVX512).is_none_or(|value| value.is_empty())))
}

/// The best vectors of this CPU.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn best(with_avx512: bool) -> (Vectors, Arch) {
    use pulp::x86::{V3, V4};
    match (V4::try_new().filter(|_| with_avx512), V3::try_new()) {
        (Some(simd), _) => (Vectors::Avx512, Arch::V4(simd)),
        (None, Some(simd)) => (Vectors::Avx2, Arch::V3(simd)),
        (None, None) => (Vectors::Baseline, Arch::Scalar),
    }
}

#[cfg(target_arch = "aarch64")]
fn best(_: bool) -> (Vectors, Arch) {
    match Arch::new() {
        arch @ Arch::Neon(_) => (Vectors::Neon, arch),
        arch => (Vectors::Baseline, arch),
    }
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn best(_: bool) -> (Vectors, Arch) {
    (Vectors::Baseline, Arch::new())
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn the_switch_leaves_avx_512_unused_and_nothing_else() {
        let avx2 = std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma");
        assert_eq!(best(false).0, if avx2 { Vectors::Avx2 } else { Vectors::Baseline });
        let avx512 = std::is_x86_feature_detected!("avx512dq");
        assert_eq!(best(true).0, if avx512 { Vectors::Avx512 } else { best(false).0 });
    }

    #[test]
    fn the_environment_decides_what_is_in_use() {
        let unused = std::env::var_os(NO_AVX512).is_some_and(|value| !value.is_empty());
        assert_eq!(Vectors::in_use(), best(!unused).0);
    }
}
