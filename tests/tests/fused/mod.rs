//! Every fused operation equals its decomposed form under automatic differentiation. The layout of
//! the inputs, their other owners and the number of threads do not matter.

mod decomposed;
mod operation;

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Tensor, TensorData};
use recast_burn::fused::{masked_softmax, rms_norm, rope, swiglu};
use recast_burn::packing::FORBIDDEN;

use crate::device::devices;
use crate::numbers::{assert_all_close, assert_same, bits, seeded_data, values};
use crate::tolerance::{FUSED, on};
use operation::{Claim, Operation, gradients, on_every_operation, weighted_sum};

tests![
    a_fused_operation_equals_its_decomposed_form_in_every_layout,
    a_tensor_that_is_used_again_is_not_changed,
    a_gradient_that_others_hold_is_not_changed,
    a_gradient_of_one_repeated_number_is_spread,
    one_and_two_threads_give_equal_bits,
    only_tracked_inputs_get_a_gradient,
    one_tensor_may_be_both_inputs,
    a_forbidden_key_has_probability_zero_and_a_row_of_them_is_uniform,
    a_head_of_odd_width_is_refused,
];

/// The layout of an input in memory.
#[derive(Clone, Copy, Debug)]
enum Layout {
    Contiguous,
    /// The last two dimensions are swapped.
    Swapped,
    /// The first and the last dimension are swapped.
    SwappedEnds,
    /// Each row is part of a longer one.
    CutFromColumns,
    /// The rows are contiguous, with others before and after.
    CutFromRows,
    /// The rows are contiguous from the start, with others after.
    CutFromStart,
}

impl Layout {
    const ALL: [Self; 6] = [
        Self::Contiguous,
        Self::Swapped,
        Self::SwappedEnds,
        Self::CutFromColumns,
        Self::CutFromRows,
        Self::CutFromStart,
    ];

    /// The same elements in this layout, as a leaf.
    fn leaf<const R: usize>(self, x: Tensor<R>) -> Tensor<R> {
        let device = x.device();
        let swapped = |x: Tensor<R>, first: usize, second: usize| {
            let copy = x.swap_dims(first, second).into_data();
            Tensor::<R>::from_data(copy, &device).swap_dims(first, second)
        };
        let cut = |x: Tensor<R>, dim: usize, before: usize| {
            let length = x.dims()[dim];
            let poison = |length: usize| {
                let mut dims = x.dims();
                dims[dim] = length;
                Tensor::full(dims, f32::NAN, &device)
            };
            let parts = match before {
                0 => vec![x.clone(), poison(2)],
                _ => vec![poison(before), x.clone(), poison(2)],
            };
            Tensor::cat(parts, dim).narrow(dim, before, length)
        };
        let laid_out = match self {
            Self::Contiguous => x,
            Self::Swapped => swapped(x, R - 2, R - 1),
            Self::SwappedEnds => swapped(x, 0, R - 1),
            Self::CutFromColumns => cut(x, R - 1, 2),
            Self::CutFromRows => cut(x, 0, 2),
            Self::CutFromStart => cut(x, 0, 0),
        };
        laid_out.detach().require_grad()
    }
}

struct EqualsItsDecomposedForm;

impl Claim for EqualsItsDecomposedForm {
    fn assert_holds<const R: usize>(&self, operation: &Operation<R>) {
        let leaves = operation.leaves();
        let output = (operation.decomposed)(leaves.clone());
        let expected = values(&output);
        let expected_gradients = gradients(&weighted_sum(output), &leaves);
        for layout in Layout::ALL {
            let name = format!("{}, {layout:?}", operation.name);
            let leaves = operation.leaves().map(|leaf| layout.leaf(leaf.detach()));
            let output = (operation.fused)(leaves.clone());
            let tolerance = on(&operation.device, FUSED);
            assert_all_close(&values(&output), &expected, tolerance, &name);
            let found = gradients(&weighted_sum(output), &leaves);
            assert_eq!(found.len(), expected_gradients.len(), "gradients of {name}");
            for (found, expected) in found.iter().zip(&expected_gradients) {
                assert_all_close(found, expected, tolerance, &format!("{name}, gradient"));
            }
        }
    }
}

fn a_fused_operation_equals_its_decomposed_form_in_every_layout() {
    on_every_operation(&EqualsItsDecomposedForm);
}

struct LeavesSharedTensorsAlone;

impl Claim for LeavesSharedTensorsAlone {
    fn assert_holds<const R: usize>(&self, operation: &Operation<R>) {
        let name = &operation.name;
        // the inputs have no other owner: the kernel may work in place
        let leaves = operation.leaves();
        let unique = leaves.clone().map(|leaf| leaf * 1.0);
        let output = (operation.fused)(unique);
        let unique_output = values(&output);
        let same = |found: &Tensor<R>, what: &str| {
            let name = format!("{name}, {what}");
            assert_same(&operation.device, &values(found), &unique_output, &name);
        };
        let unique_gradients = gradients(&weighted_sum(output), &leaves);

        // the test uses the inputs again, after the operation and in the backward pass
        let leaves = operation.leaves();
        let shared = leaves.clone().map(|leaf| leaf * 1.0);
        let before = shared.each_ref().map(|tensor| bits(&values(tensor)));
        let output = (operation.fused)(shared.clone());
        same(&output, "output");
        let loss = weighted_sum(output) + weighted_sum(shared[0].clone() * shared[0].clone());
        let found = gradients(&loss, &leaves);
        let after = shared.each_ref().map(|tensor| bits(&values(tensor)));
        assert!(after == before, "{name} changed a tensor that others hold");
        let square = operation.leaves();
        let of_square = weighted_sum(square[0].clone() * square[0].clone());
        let of_square = &gradients(&of_square, &square)[0];
        let sum: Vec<f32> = unique_gradients[0].iter().zip(of_square).map(|(a, b)| a + b).collect();
        let tolerance = on(&operation.device, FUSED);
        assert_all_close(&found[0], &sum, tolerance, &format!("{name}, gradient"));

        // without automatic differentiation no tensor is kept for a backward pass
        let plain = operation.leaves().map(Tensor::inner);
        let before = plain.each_ref().map(|tensor| bits(&values(tensor)));
        let output = (operation.fused)(plain.clone());
        let after = plain.each_ref().map(|tensor| bits(&values(tensor)));
        assert!(after == before, "{name} changed a plain tensor that others hold");
        same(&output, "plain and shared");
        same(&(operation.fused)(plain.map(|tensor| tensor * 1.0)), "plain and unique");
    }
}

fn a_tensor_that_is_used_again_is_not_changed() {
    on_every_operation(&LeavesSharedTensorsAlone);
}

struct LeavesSharedGradientsAlone;

impl Claim for LeavesSharedGradientsAlone {
    fn assert_holds<const R: usize>(&self, operation: &Operation<R>) {
        let leaves = operation.leaves();
        let output = (operation.fused)(leaves.clone());
        let alone = gradients(&weighted_sum(output), &leaves);

        // a sum hands one gradient to both of its terms
        let leaves = operation.leaves();
        let output = (operation.fused)(leaves.clone());
        let [before, after] = [(); 2].map(|()| output.zeros_like().detach().require_grad());
        let grads = weighted_sum(before.clone() + output + after.clone()).backward();
        let gradient = |leaf: &Tensor<R>| leaf.grad(&grads).map(|grad| values(&grad));
        let weights = seeded_data(20, &before.dims()).try_into_vec::<f32>().expect("weights");
        for other in [before, after] {
            let found = gradient(&other).expect("a gradient");
            assert_eq!(bits(&found), bits(&weights), "{} changed another's", operation.name);
        }
        let found: Vec<Vec<f32>> = leaves.iter().filter_map(gradient).collect();
        assert_eq!(found.len(), alone.len(), "{}", operation.name);
        for (found, alone) in found.iter().zip(&alone) {
            assert_same(&operation.device, found, alone, &operation.name);
        }
    }
}

fn a_gradient_that_others_hold_is_not_changed() {
    on_every_operation(&LeavesSharedGradientsAlone);
}

struct TakesBroadcastGradients;

impl Claim for TakesBroadcastGradients {
    fn assert_holds<const R: usize>(&self, operation: &Operation<R>) {
        // the gradient of a sum is one number, repeated
        let of_form = |form: &dyn Fn([Tensor<R>; 2]) -> Tensor<R>| {
            let leaves = operation.leaves();
            gradients(&form(leaves.clone()).sum(), &leaves)
        };
        let name = format!("{}, gradient of the plain sum", operation.name);
        let of_fused = of_form(&operation.fused);
        for (found, expected) in of_fused.iter().zip(of_form(&operation.decomposed)) {
            // the gradient of a softmax is 0 but for rounding
            let found = found.iter().map(|v| v + 1.0).collect::<Vec<_>>();
            let expected = expected.iter().map(|v| v + 1.0).collect::<Vec<_>>();
            assert_all_close(&found, &expected, on(&operation.device, FUSED), &name);
        }
    }
}

fn a_gradient_of_one_repeated_number_is_spread() {
    on_every_operation(&TakesBroadcastGradients);
}

struct GivesEqualBitsOnAnyThreads;

impl Claim for GivesEqualBitsOnAnyThreads {
    fn assert_holds<const R: usize>(&self, operation: &Operation<R>) {
        let on_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("a pool of threads").install(|| {
                let leaves = operation.leaves();
                let output = (operation.fused)(leaves.clone());
                let forward = values(&output);
                [vec![forward], gradients(&weighted_sum(output), &leaves)].concat()
            })
        };
        for (one, two) in on_threads(1).iter().zip(&on_threads(2)) {
            assert_same(&operation.device, one, two, &operation.name);
        }
    }
}

fn one_and_two_threads_give_equal_bits() {
    on_every_operation(&GivesEqualBitsOnAnyThreads);
}

fn only_tracked_inputs_get_a_gradient() {
    for (device_name, device) in devices() {
        let plain = |index, dims| Tensor::<2>::from_data(seeded_data(index, dims), &device);
        let (x, w) = (plain(1, &[3, 5]), plain(2, &[3, 5]));
        let both = [x.clone().require_grad(), w.clone().require_grad()];
        let expected = gradients(&swiglu(both[0].clone(), both[1].clone()).sum(), &both);

        let only = x.clone().require_grad();
        let grads = swiglu(only.clone(), w.clone()).sum().backward();
        let found = values(&only.grad(&grads).expect("a gradient"));
        assert_same(&device, &found, &expected[0], &device_name);
        let only = w.clone().require_grad();
        let grads = swiglu(x.clone(), only.clone()).sum().backward();
        let found = values(&only.grad(&grads).expect("a gradient"));
        assert_same(&device, &found, &expected[1], &device_name);

        let weight = plain(3, &[1, 5]).reshape([5]).detach().require_grad();
        let grads = rms_norm(x, weight.clone(), 1e-6).sum().backward();
        assert!(weight.grad(&grads).is_some(), "{device_name}");
    }
}

fn one_tensor_may_be_both_inputs() {
    for (device_name, device) in devices() {
        let x = Tensor::<2>::from_data(seeded_data(1, &[7, 9]), &device).require_grad();
        let run = |output: Tensor<2>| {
            let loss = weighted_sum(output);
            values(&x.grad(&loss.backward()).expect("a gradient"))
        };
        let found = run(swiglu(x.clone(), x.clone()));
        let expected = run(decomposed::swiglu(x.clone(), x.clone()));
        assert_all_close(&found, &expected, FUSED, &device_name);
    }
}

fn a_forbidden_key_has_probability_zero_and_a_row_of_them_is_uniform() {
    for (device_name, device) in devices() {
        let scores = Tensor::<4>::from_data(seeded_data(1, &[1, 1, 2, 4]), &device);
        let mask = vec![0.0, FORBIDDEN, 0.0, FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN];
        let mask = Tensor::from_data(TensorData::new(mask, [1, 1, 2, 4]), &device);
        let found = values(&masked_softmax(scores, mask, 0.5));
        assert_eq!([found[1].to_bits(), found[3].to_bits()], [0, 0], "{device_name}");
        assert_all_close(&found[4..], &[0.25; 4], FUSED, &device_name);
    }
}

fn a_head_of_odd_width_is_refused() {
    let (_, device) = devices().next().expect("a device");
    let x = Tensor::<4>::from_data(seeded_data(1, &[1, 1, 2, 3]), &device);
    let table = Tensor::<3>::from_data(seeded_data(2, &[1, 1, 1]), &device);
    let refused = catch_unwind(AssertUnwindSafe(|| rope(x, table.clone(), table)));
    let message = refused.expect_err("a panic").downcast::<String>().expect("a message");
    assert!(message.contains("a head of width 3 has no halves"), "{message}");
}
