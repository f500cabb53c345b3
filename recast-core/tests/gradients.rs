//! Closed-form gradients against dual numbers and finite differences, through the public functions.
//!
//! ECPO and GBPO hold a number constant that is made of the policy's own log-probability. No number
//! can tell such a constant from a variable, so their surrogate is differentiated with the bounded
//! old log-probability computed first: see `bounds_are_constants_to_the_gradient`.
#![expect(clippy::float_cmp, reason = "equal here means the same bits came through")]

mod dual;
#[path = "../src/tolerance.rs"]
#[expect(dead_code, reason = "one table for unit tests and properties, each uses its rows")]
mod tolerance;

use approx::assert_abs_diff_eq;
use proptest::prelude::*;
use recast_core::objective::{
    AnchorRatio, Clip, KlEstimator, Objective, Preference, TokenTerm, anchor_loss, kl_penalty,
    preference_loss, sequence_loss, surrogate, token_loss,
};

use crate::dual::Dual;
use crate::tolerance::{FINITE_DIFFERENCE, ROUNDING};

const STEP: f64 = 1e-6;

#[derive(Clone, Copy, Debug)]
struct Numbers {
    low: f64,
    high: f64,
    dual: Option<f64>,
    limit: f64,
    estimator: KlEstimator,
    coef: f64,
}

impl Numbers {
    fn objective(self) -> Objective<f64> {
        let clip = Clip::new(self.low, self.high, self.dual).expect("within the ranges below");
        Objective::new(clip, self.limit, self.estimator, self.coef).expect("within the ranges")
    }

    fn dual_objective(self) -> Objective<Dual> {
        let [low, high, limit, coef] =
            [self.low, self.high, self.limit, self.coef].map(Dual::constant);
        let clip = Clip::new(low, high, self.dual.map(Dual::constant)).expect("as above");
        Objective::new(clip, limit, self.estimator, coef).expect("as above")
    }

    /// Whether a kink of the loss is within two steps of this log-ratio or this difference from the
    /// reference.
    fn has_a_kink_near(self, log_ratio: f64, from_reference: f64) -> bool {
        let near = |place: f64, kink: f64| (place - kink).abs() < 2.0 * STEP;
        let bounds = [Some(1.0 - self.low), Some(1.0 + self.high), self.dual];
        bounds.into_iter().flatten().any(|bound| near(log_ratio, bound.ln()))
            || near(log_ratio.abs(), self.limit)
            || near(from_reference.abs(), self.limit)
    }
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let dual = prop_oneof![Just(None), (1.5..4.0_f64).prop_map(Some)];
    let estimator =
        prop_oneof![Just(KlEstimator::K1), Just(KlEstimator::K2), Just(KlEstimator::K3)];
    (0.0..0.5_f64, 0.0..0.5_f64, dual, 0.5..20.0_f64, estimator, 0.0..1.0_f64).prop_map(
        |(low, high, dual, limit, estimator, coef)| Numbers {
            low,
            high,
            dual,
            limit,
            estimator,
            coef,
        },
    )
}

fn log_prob() -> impl Strategy<Value = f64> {
    -4.0..-1e-3_f64
}

fn advantage() -> impl Strategy<Value = f64> {
    -3.0..3.0_f64
}

fn anchor_ratio() -> impl Strategy<Value = AnchorRatio<f64>> {
    prop_oneof![
        Just(AnchorRatio::Recompute),
        (0.01..1.0_f64).prop_map(|gamma| AnchorRatio::Shaped { gamma }),
        (0.0..2.0_f64).prop_map(|weight| AnchorRatio::Weighted { weight }),
    ]
}

fn widened(ratio: AnchorRatio<f64>) -> AnchorRatio<Dual> {
    match ratio {
        AnchorRatio::Recompute => AnchorRatio::Recompute,
        AnchorRatio::Detached => AnchorRatio::Detached,
        AnchorRatio::Shaped { gamma } => AnchorRatio::Shaped { gamma: Dual::constant(gamma) },
        AnchorRatio::Weighted { weight } => {
            AnchorRatio::Weighted { weight: Dual::constant(weight) }
        }
    }
}

/// The derivative that came with the value is the gradient in closed form.
fn assert_differentiates(term: TokenTerm<Dual>) {
    let size = term.value.value.abs().max(term.gradient.value.abs()).max(1.0);
    assert_abs_diff_eq!(term.value.derivative, term.gradient.value, epsilon = ROUNDING * size);
}

/// A loss rises from `before` to `after`, two steps further, by its gradient.
fn assert_difference(before: f64, after: f64, gradient: f64) {
    let difference = (after - before) / (2.0 * STEP);
    let size = after.abs().max(gradient.abs()).max(1.0);
    assert_abs_diff_eq!(difference, gradient, epsilon = FINITE_DIFFERENCE * size);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_token_loss_differentiates_itself(
        numbers in numbers(),
        [policy, old, reference] in [log_prob(), log_prob(), log_prob()],
        advantage in advantage(),
    ) {
        prop_assume!(!numbers.has_a_kink_near(policy - old, reference - policy));
        let objective = numbers.dual_objective();
        let [old, reference, advantage] = [old, reference, advantage].map(Dual::constant);
        let policy = Dual::variable(policy);
        assert_differentiates(surrogate(policy, old, advantage, &objective));
        assert_differentiates(kl_penalty(policy, reference, &objective));
        assert_differentiates(token_loss(policy, old, reference, advantage, &objective));
    }

    // A detached ratio is 1 whatever the policy: its value has no derivative, its gradient is -A.
    #[test]
    fn an_anchor_loss_differentiates_itself(
        numbers in numbers(),
        ratio in anchor_ratio(),
        [policy, old, reference] in [log_prob(), log_prob(), log_prob()],
        advantage in advantage(),
    ) {
        prop_assume!(!numbers.has_a_kink_near(policy - old, reference - policy));
        let objective = numbers.objective();
        let at = |policy| anchor_loss(policy, old, reference, advantage, ratio, &objective);
        assert_difference(at(policy - STEP).value, at(policy + STEP).value, at(policy).gradient);
        let [old, reference, advantage] = [old, reference, advantage].map(Dual::constant);
        let (policy, ratio) = (Dual::variable(policy), widened(ratio));
        let objective = numbers.dual_objective();
        let term = anchor_loss(policy, old, reference, advantage, ratio, &objective);
        assert_differentiates(term);
    }

    #[test]
    fn a_sequence_loss_differentiates_itself_by_every_token(
        numbers in numbers(),
        tokens in proptest::collection::vec([log_prob(), log_prob(), log_prob()], 1..6),
        advantage in advantage(),
    ) {
        let column = |index: usize| tokens.iter().map(|token| token[index]).collect::<Vec<_>>();
        let (policy, old, reference) = (column(0), column(1), column(2));
        let count = tokens.len() as f64;
        let log_ratio = policy.iter().zip(&old).map(|(a, b)| a - b).sum::<f64>() / count;
        for (policy, reference) in policy.iter().zip(&reference) {
            prop_assume!(!numbers.has_a_kink_near(log_ratio, reference - policy));
        }
        let objective = numbers.objective();
        let loss = |policy: &[f64], gradients: &mut [f64]| {
            sequence_loss(policy, &old, &reference, advantage, &objective, gradients)
        };
        let mut closed = vec![f64::NAN; tokens.len()];
        let value = loss(&policy, &mut closed);
        let constants =
            |column: &[f64]| column.iter().copied().map(Dual::constant).collect::<Vec<_>>();
        let (old_dual, reference_dual) = (constants(&old), constants(&reference));
        for (token, &gradient) in closed.iter().enumerate() {
            let moved = |step: f64| {
                let mut policy = policy.clone();
                policy[token] += step;
                loss(&policy, &mut vec![0.0; tokens.len()])
            };
            assert_difference(moved(-STEP), moved(STEP), gradient);

            let mut policy = constants(&policy);
            policy[token].derivative = 1.0;
            let mut gradients = policy.clone();
            let dual = sequence_loss(
                &policy,
                &old_dual,
                &reference_dual,
                Dual::constant(advantage),
                &numbers.dual_objective(),
                &mut gradients,
            );
            let size = value.abs().max(1.0);
            assert_abs_diff_eq!(dual.value, value, epsilon = ROUNDING * size);
            assert_abs_diff_eq!(dual.derivative, gradient, epsilon = ROUNDING * size);
        }
    }

    #[test]
    fn a_preference_loss_differentiates_itself_by_every_completion(
        positive in [log_prob(), log_prob()],
        negatives in proptest::collection::vec([log_prob(), log_prob()], 0..6),
        beta in 0.01..3.0_f64,
    ) {
        let count = negatives.len();
        let [policy, reference]: [Vec<f64>; 2] =
            [0, 1].map(|side| negatives.iter().map(|negative| negative[side]).collect());
        let mut closed = vec![f64::NAN; count];
        let preference = Preference::new(beta).expect("within the range above");
        let term =
            preference_loss(positive[0], positive[1], &policy, &reference, preference, &mut closed);
        prop_assert!(term.value >= 0.0);
        // Variable 0 is the positive, the others are the negatives.
        for (variable, gradient) in std::iter::once(term.gradient).chain(closed).enumerate() {
            let at = |variable_is: fn(f64, f64) -> Dual, step: f64| {
                let of = |index: usize, value: f64| {
                    if index == variable { variable_is(value, step) } else { Dual::constant(value) }
                };
                let policy: Vec<Dual> =
                    policy.iter().enumerate().map(|(j, &value)| of(j + 1, value)).collect();
                let reference: Vec<Dual> =
                    reference.iter().copied().map(Dual::constant).collect();
                preference_loss(
                    of(0, positive[0]),
                    Dual::constant(positive[1]),
                    &policy,
                    &reference,
                    Preference::new(Dual::constant(beta)).expect("as above"),
                    &mut vec![Dual::constant(0.0); count],
                )
                .value
            };
            let value = at(|value, _| Dual::variable(value), 0.0);
            assert_abs_diff_eq!(value.derivative, gradient, epsilon = ROUNDING);
            let moved = |step| at(|value, step| Dual::constant(value + step), step).value;
            assert_difference(moved(-STEP), moved(STEP), gradient);
        }
    }

    #[test]
    fn bounds_are_constants_to_the_gradient(
        [policy, old] in [log_prob(), log_prob()],
        advantage in advantage(),
        delta in 0.01..1.0_f64,
    ) {
        // A clip that clips nothing stands for none.
        let unclipped = (1.0 - 1e-12, 1e12);
        let ecpo = Clip::ecpo(0.2, 0.28, delta).expect("within the range above");
        for (clip, (low, high)) in [(ecpo, (0.2, 0.28)), (Clip::gbpo(), unclipped)] {
            let bounded = clip.bounded_old_log_prob(policy, old, advantage);
            prop_assert!(bounded >= old);
            let numbers = Numbers {
                low, high, dual: None, limit: 20.0, estimator: KlEstimator::K3, coef: 0.0,
            };
            prop_assume!(!numbers.has_a_kink_near(policy - bounded, 0.0));
            let objective = Objective::new(clip, 20.0, KlEstimator::K3, 0.0).expect("an objective");
            let term = surrogate(policy, old, advantage, &objective);
            let held = surrogate(
                Dual::variable(policy),
                Dual::constant(bounded),
                Dual::constant(advantage),
                &numbers.dual_objective(),
            );
            let size = term.value.abs().max(1.0);
            assert_abs_diff_eq!(term.value, held.value.value, epsilon = ROUNDING * size);
            assert_abs_diff_eq!(term.gradient, held.value.derivative, epsilon = ROUNDING * size);
        }
    }

    #[test]
    fn bounded_ratios_stay_below_their_bounds(
        [policy, old] in [log_prob(), log_prob()],
        advantage in advantage(),
        delta in 0.01..1.0_f64,
    ) {
        let ratio = |clip: Clip<f64>| {
            (policy - clip.bounded_old_log_prob(policy, old, advantage)).exp()
        };
        let ecpo = ratio(Clip::ecpo(0.2, 0.28, delta).expect("within the range above"));
        let gbpo = ratio(Clip::gbpo());
        if advantage < 0.0 {
            prop_assert!(ecpo <= 1.28 + delta + ROUNDING);
            prop_assert!(gbpo <= policy.exp() / (1.0 - policy.exp()) + ROUNDING);
        } else {
            prop_assert!(gbpo <= 1.0);
            prop_assert_eq!(ecpo, (policy - old).exp());
        }
    }
}
