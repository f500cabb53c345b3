//! Sums over the devices of one machine.

use burn::tensor::Tensor;

/// The sum of tensors on devices of their own, on the device of the first.
///
/// On GPUs, in builds with the feature `data-parallel`, burn's own collective (NCCL) adds the
/// tensors. Elsewhere the first device takes copies and adds them in order.
///
/// # Panics
///
/// If there is no tensor, or their shapes differ.
#[must_use]
pub fn sum_over_devices<const R: usize>(tensors: Vec<Tensor<R>>) -> Tensor<R> {
    #[cfg(feature = "data-parallel")]
    if tensors.len() > 1 && tensors.iter().all(|x| !crate::device::is_cpu(&x.device())) {
        return all_reduce(tensors);
    }
    let device = tensors.first().map(Tensor::device);
    let on_first = |x: Tensor<R>| device.as_ref().map_or(x.clone(), |device| x.to_device(device));
    let sum = tensors.into_iter().map(on_first).reduce(|sum, x| sum + x);
    #[expect(clippy::expect_used, reason = "the doc says so under # Panics")]
    sum.expect("a tensor to sum")
}

#[cfg(feature = "data-parallel")]
fn all_reduce<const R: usize>(tensors: Vec<Tensor<R>>) -> Tensor<R> {
    use burn::tensor::distributed::{CollectiveTensor, ReduceOperation, all_reduce};

    let devices: Vec<_> = tensors.iter().map(Tensor::device).collect();
    // every device gets its work before the host waits for any
    let sums: Vec<_> =
        tensors.into_iter().map(|x| all_reduce(x, ReduceOperation::Sum, devices.clone())).collect();
    let mut sums: Vec<Tensor<R>> = sums.into_iter().map(CollectiveTensor::resolve).collect();
    sums.swap_remove(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeviceKind;

    #[test]
    fn tensors_of_several_devices_are_summed_on_the_first() {
        let kinds = DeviceKind::available();
        let tensors: Vec<Tensor<1>> = kinds
            .iter()
            .zip(1..)
            .map(|(kind, i)| Tensor::from_data([i as f32, 0.5], &kind.device()))
            .collect();
        let n = kinds.len() as f32;
        let sum = sum_over_devices(tensors);
        assert_eq!(sum.device(), kinds[0].device());
        let expected = [0.5 * n * (n + 1.0), 0.5 * n];
        assert_eq!(sum.into_data().try_into_vec::<f32>().unwrap(), expected);
    }

    #[test]
    #[should_panic(expected = "a tensor to sum")]
    fn nothing_has_no_sum() {
        let _ = sum_over_devices::<1>(Vec::new());
    }
}
