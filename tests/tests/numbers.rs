//! Plain numbers: seeded numbers, the elements of a tensor, and comparisons.

use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use recast_burn::device::is_cpu;
use recast_train::random::{Purpose, stream};

use crate::tolerance::GPU_PRODUCT;

/// Numbers in [-2, 2), equal for equal arguments.
pub(crate) fn seeded(index: u64, count: usize) -> Vec<f32> {
    let mut rng = stream(11, Purpose::Embedding, index);
    (0..count).map(|_| rng.random_range(-2.0..2.0)).collect()
}

/// [`seeded`] numbers of a shape.
pub(crate) fn seeded_data(index: u64, dims: &[usize]) -> TensorData {
    TensorData::new(seeded(index, dims.iter().product()), dims.to_vec())
}

/// The elements of a tensor, in order of its dimensions.
pub(crate) fn values<const R: usize>(tensor: &Tensor<R>) -> Vec<f32> {
    tensor.clone().into_data().try_into_vec().expect("f32 elements")
}

/// The bits of numbers: `==` on bits tells NaN and signs of zero apart too.
pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Asserts that a device gave the same numbers twice. On a CPU the bits are equal; a GPU sums in
/// another order each time, so its numbers are equal up to rounding.
pub(crate) fn assert_same(device: &Device, found: &[f32], expected: &[f32], name: &str) {
    if is_cpu(device) {
        assert!(bits(found) == bits(expected), "{name}");
    } else {
        assert_all_close(found, expected, GPU_PRODUCT, name);
    }
}

/// Asserts that each number is as expected, relative to max(1, |expected|). NaN never is.
pub(crate) fn assert_each_close(
    found: &[impl Copy + Into<f64>],
    expected: &[f64],
    tolerance: f64,
    name: impl Fn(usize) -> String,
) {
    assert_eq!(found.len(), expected.len(), "numbers of {}", name(0));
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let found = found.into();
        let error = (found - expected).abs() / expected.abs().max(1.0);
        assert!(
            error <= tolerance,
            "{}: found {found:e}, expected {expected:e}, off by {error:e}",
            name(i)
        );
    }
}

/// Asserts that all numbers are as expected, relative to the largest expected one. NaN never is.
pub(crate) fn assert_all_close(found: &[f32], expected: &[f32], tolerance: f64, name: &str) {
    assert_eq!(found.len(), expected.len(), "numbers of {name}");
    let largest = largest(expected);
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = f64::from((found - expected).abs());
        assert!(
            error <= tolerance * largest,
            "{name}[{i}]: found {found:e}, expected {expected:e}, of at most {largest:e}"
        );
    }
}

/// The largest absolute value; 0 without a value.
pub(crate) fn largest(values: &[f32]) -> f64 {
    values.iter().fold(0.0, |largest, value| f64::from(value.abs()).max(largest))
}
