//! Closed-form gradients against dual numbers and finite differences, through the public functions.
//!
//! ECPO and GBPO hold a number constant that depends on the policy's own log-probability. No number
//! can tell such a constant from a variable. The test of their surrogate therefore computes the
//! bounded old log-probability first: see `bounds_are_constants_to_the_gradient`. CISPO's ratio is
//! such a constant too: see `the_ratio_of_cispo_is_a_constant`.
#![expect(clippy::float_cmp, reason = "equal here means the same bits came through")]

mod dual;
#[path = "../src/tolerance.rs"]
#[expect(dead_code, reason = "one table for unit tests and properties, each uses its rows")]
mod tolerance;

use approx::assert_abs_diff_eq;
use proptest::prelude::*;
use recast_core::Real;
use recast_core::objective::{
    AnchorRatio, Clip, CompletionTokens, GroupTokens, KlEstimator, Loss, Objective, PolicyLoss,
    Preference, Surrogate, completion_loss, group_loss, kl_penalty, preference_loss,
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
    cap: Option<f64>,
    times_ratio: bool,
}

impl Numbers {
    fn objective(self) -> Objective<f64> {
        self.objective_of(|number| number)
    }

    fn dual_objective(self) -> Objective<Dual> {
        self.objective_of(Dual::constant)
    }

    fn objective_of<T: Real>(self, of: fn(f64) -> T) -> Objective<T> {
        Clip::new(of(self.low), of(self.high), self.dual.map(of))
            .and_then(|clip| Objective::new(clip, of(self.limit), self.estimator, of(self.coef)))
            .and_then(|objective| objective.with_kl_value_limit(self.cap.map(of)))
            .expect("within the ranges below")
            .with_kl_times_ratio(self.times_ratio)
    }

    /// Whether a kink of the loss is within two steps of this log-ratio or this difference from the
    /// reference.
    fn has_a_kink_near(self, log_ratio: f64, from_reference: f64) -> bool {
        let near = |place: f64, kink: f64| (place - kink).abs() < 2.0 * STEP;
        let bounds = [Some(1.0 - self.low), Some(1.0 + self.high), self.dual];
        let objective = self.objective().with_kl_times_ratio(false);
        let is_capped = |step: f64| {
            let penalty = kl_penalty(0.0, from_reference + step, &objective);
            Some(penalty.value.abs()) == self.cap
        };
        bounds.into_iter().flatten().any(|bound| near(log_ratio, bound.ln()))
            || near(log_ratio, self.high)
            || near(log_ratio, -self.low)
            || near(log_ratio.abs(), self.limit)
            || near(from_reference.abs(), self.limit)
            || is_capped(-2.0 * STEP) != is_capped(2.0 * STEP)
    }
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let dual = prop_oneof![Just(None), (1.5..4.0_f64).prop_map(Some)];
    let cap = prop_oneof![Just(None), (0.1..10.0_f64).prop_map(Some)];
    let estimator =
        prop_oneof![Just(KlEstimator::K1), Just(KlEstimator::K2), Just(KlEstimator::K3)];
    let clip = (0.0..0.5_f64, 0.0..0.5_f64, dual, 0.5..20.0_f64);
    (clip, estimator, 0.0..1.0_f64, cap, any::<bool>()).prop_map(
        |((low, high, dual, limit), estimator, coef, cap, times_ratio)| Numbers {
            low,
            high,
            dual,
            limit,
            estimator,
            coef,
            cap,
            times_ratio,
        },
    )
}

fn log_prob() -> impl Strategy<Value = f64> {
    -4.0..-1e-3_f64
}

fn advantage() -> impl Strategy<Value = f64> {
    -3.0..3.0_f64
}

/// Every surrogate but CISPO, whose ratio is a constant.
fn surrogate() -> impl Strategy<Value = Surrogate<f64>> {
    prop_oneof![
        Just(Surrogate::Clipped),
        (0.2..3.0_f64, 0.2..3.0_f64)
            .prop_map(|(positive, negative)| Surrogate::Sapo { positive, negative }),
        Just(Surrogate::Sequence),
        Just(Surrogate::GeometricMean),
    ]
}

/// The ratio of a sampled completion, or of an anchor. A detached ratio is left out: it is always
/// 1, so its value has no derivative, and its gradient is -A.
fn anchor_ratio() -> impl Strategy<Value = Option<AnchorRatio<f64>>> {
    prop_oneof![
        Just(None),
        Just(Some(AnchorRatio::Recompute)),
        (0.01..1.0_f64).prop_map(|gamma| Some(AnchorRatio::Shaped { gamma })),
        (0.0..2.0_f64).prop_map(|weight| Some(AnchorRatio::Weighted { weight })),
    ]
}

fn widened(surrogate: Surrogate<f64>) -> Surrogate<Dual> {
    match surrogate {
        Surrogate::Clipped => Surrogate::Clipped,
        Surrogate::Cispo => Surrogate::Cispo,
        Surrogate::Sapo { positive, negative } => Surrogate::Sapo {
            positive: Dual::constant(positive),
            negative: Dual::constant(negative),
        },
        Surrogate::Sequence => Surrogate::Sequence,
        Surrogate::GeometricMean => Surrogate::GeometricMean,
    }
}

fn widened_ratio(ratio: AnchorRatio<f64>) -> AnchorRatio<Dual> {
    match ratio {
        AnchorRatio::Recompute => AnchorRatio::Recompute,
        AnchorRatio::Detached => AnchorRatio::Detached,
        AnchorRatio::Shaped { gamma } => AnchorRatio::Shaped { gamma: Dual::constant(gamma) },
        AnchorRatio::Weighted { weight } => {
            AnchorRatio::Weighted { weight: Dual::constant(weight) }
        }
    }
}

/// The tokens of a completion in four columns: policy, old, reference, advantage.
#[derive(Clone, Debug)]
struct Tokens<T> {
    columns: [Vec<T>; 4],
}

impl<T: Real> Tokens<T> {
    fn of(token: [T; 4]) -> Self {
        Self { columns: token.map(|number| vec![number]) }
    }

    fn len(&self) -> usize {
        self.columns[0].len()
    }

    /// The loss under a surrogate, as an anchor if a ratio is given.
    fn loss(
        &self,
        surrogate: Surrogate<T>,
        anchor_ratio: Option<AnchorRatio<T>>,
        objective: &Objective<T>,
        gradients: &mut [T],
    ) -> T {
        let [policy, old, reference, advantages] = &self.columns;
        let tokens = CompletionTokens {
            policy_log_probs: policy,
            old_log_probs: old,
            ref_log_probs: reference,
            advantages,
            is_anchor: anchor_ratio.is_some(),
        };
        let anchor_ratio = anchor_ratio.unwrap_or(AnchorRatio::Detached);
        let loss = PolicyLoss { surrogate, anchor_ratio, negative_margin: None };
        completion_loss(&loss, tokens, objective, gradients)
    }
}

impl Tokens<f64> {
    fn has_a_kink(&self, numbers: Numbers) -> bool {
        let [policy, old, reference, _] = &self.columns;
        let log_ratios: Vec<f64> = policy.iter().zip(old).map(|(a, b)| a - b).collect();
        let mean = log_ratios.iter().sum::<f64>() / self.len() as f64;
        let from_reference = policy.iter().zip(reference).map(|(policy, at)| at - policy);
        numbers.has_a_kink_near(mean, 0.0)
            || log_ratios.iter().zip(from_reference).any(|(&a, b)| numbers.has_a_kink_near(a, b))
    }

    /// The same tokens with the policy's log-probability of one moved.
    fn moved(&self, token: usize, step: f64) -> Self {
        let mut moved = self.clone();
        moved.columns[0][token] += step;
        moved
    }

    /// The same tokens with the policy's log-probability of one as the variable.
    fn by(&self, token: usize) -> Tokens<Dual> {
        let mut columns =
            self.columns.clone().map(|column| column.into_iter().map(Dual::constant).collect());
        let policy: &mut Vec<Dual> = &mut columns[0];
        policy[token].derivative = 1.0;
        Tokens { columns }
    }
}

/// Up to five tokens with advantages of their own, or one for all.
fn tokens() -> impl Strategy<Value = Tokens<f64>> {
    let token = [log_prob(), log_prob(), log_prob()];
    let advantages = prop_oneof![
        proptest::collection::vec(advantage(), 5),
        advantage().prop_map(|advantage| vec![advantage; 5]),
    ];
    (proptest::collection::vec(token, 1..6), advantages).prop_map(|(tokens, mut advantages)| {
        let column = |index: usize| tokens.iter().map(|token| token[index]).collect();
        advantages.truncate(tokens.len());
        Tokens { columns: [column(0), column(1), column(2), advantages] }
    })
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
    fn a_penalty_differentiates_itself(
        numbers in numbers(),
        [policy, reference] in [log_prob(), log_prob()],
    ) {
        prop_assume!(!numbers.has_a_kink_near(0.0, reference - policy));
        let reference = Dual::constant(reference);
        let term = kl_penalty(Dual::variable(policy), reference, &numbers.dual_objective());
        let size = term.value.value.abs().max(term.gradient.value.abs()).max(1.0);
        assert_abs_diff_eq!(term.value.derivative, term.gradient.value, epsilon = ROUNDING * size);
    }

    #[test]
    fn a_completion_loss_differentiates_itself_by_every_token(
        numbers in numbers(),
        tokens in tokens(),
        surrogate in surrogate(),
        ratio in anchor_ratio(),
    ) {
        prop_assume!(!tokens.has_a_kink(numbers));
        let objective = numbers.objective();
        let loss = |tokens: &Tokens<f64>, gradients: &mut [f64]| {
            tokens.loss(surrogate, ratio, &objective, gradients)
        };
        let mut closed = vec![f64::NAN; tokens.len()];
        let value = loss(&tokens, &mut closed);
        for (token, &gradient) in closed.iter().enumerate() {
            let moved = |step| loss(&tokens.moved(token, step), &mut vec![0.0; tokens.len()]);
            assert_difference(moved(-STEP), moved(STEP), gradient);

            let dual = tokens.by(token).loss(
                widened(surrogate),
                ratio.map(widened_ratio),
                &numbers.dual_objective(),
                &mut vec![Dual::constant(0.0); tokens.len()],
            );
            let size = value.abs().max(gradient.abs()).max(1.0);
            assert_abs_diff_eq!(dual.value, value, epsilon = ROUNDING * size);
            assert_abs_diff_eq!(dual.derivative, gradient, epsilon = ROUNDING * size);
        }
    }

    // Where the old log-probability moves along with the policy's, the ratio is a constant. The
    // derivative of the loss is then that of the log-probability itself.
    #[test]
    fn the_ratio_of_cispo_is_a_constant(numbers in numbers(), tokens in tokens()) {
        prop_assume!(!tokens.has_a_kink(numbers));
        let numbers = Numbers { times_ratio: false, ..numbers };
        let mut closed = vec![f64::NAN; tokens.len()];
        let value = tokens.loss(Surrogate::Cispo, None, &numbers.objective(), &mut closed);
        for (token, &gradient) in closed.iter().enumerate() {
            let mut along = tokens.by(token);
            along.columns[1][token].derivative = 1.0;
            let mut gradients = vec![Dual::constant(0.0); tokens.len()];
            let dual =
                along.loss(Surrogate::Cispo, None, &numbers.dual_objective(), &mut gradients);
            assert_abs_diff_eq!(dual.value, value, epsilon = ROUNDING * value.abs().max(1.0));
            let size = gradient.abs().max(1.0);
            assert_abs_diff_eq!(dual.derivative, gradient, epsilon = ROUNDING * size);
        }
    }

    // A detached anchor teaches as a token at ratio 1 does.
    #[test]
    fn a_detached_anchor_teaches_as_at_ratio_one(
        numbers in numbers(),
        tokens in tokens(),
        surrogate in surrogate(),
    ) {
        let objective = Numbers { times_ratio: false, ..numbers }.objective();
        let [mut detached, mut sampled] = [(); 2].map(|()| vec![f64::NAN; tokens.len()]);
        let ratio = Some(AnchorRatio::Detached);
        let value = tokens.loss(surrogate, ratio, &objective, &mut detached);
        let mut at_one = tokens.clone();
        at_one.columns[1] = at_one.columns[0].clone();
        let expected = at_one.loss(Surrogate::Clipped, None, &objective, &mut sampled);
        assert_abs_diff_eq!(value, expected, epsilon = ROUNDING);
        for (detached, sampled) in detached.into_iter().zip(sampled) {
            assert_abs_diff_eq!(detached, sampled, epsilon = ROUNDING);
        }
    }

    #[test]
    fn a_group_loss_differentiates_itself_by_every_token(
        numbers in numbers(),
        completions in proptest::collection::vec(tokens(), 1..4),
        surrogate in surrogate(),
        ratio in anchor_ratio(),
        beta in 0.01..3.0_f64,
        divisor in 1_usize..8,
    ) {
        prop_assume!(!completions.iter().any(|tokens| tokens.has_a_kink(numbers)));
        let mut offsets = vec![0];
        let mut columns: [Vec<f64>; 4] = Default::default();
        for (index, tokens) in completions.iter().enumerate() {
            for (column, part) in columns.iter_mut().zip(&tokens.columns) {
                column.extend(part);
            }
            // The first completion is the positive of a preference.
            let side = if index == 0 { 1.0 } else { -1.0 };
            columns[3][offsets[index]..].iter_mut().for_each(|a| *a = a.abs() * side);
            offsets.push(columns[0].len());
        }
        let anchor = ratio.is_some().then_some(completions.len() - 1);
        let anchor_ratio = ratio.unwrap_or(AnchorRatio::Recompute);
        let policy =
            Loss::Policy(PolicyLoss { surrogate, anchor_ratio, negative_margin: None });
        let preference = Loss::Preference(Preference::new(beta).expect("within the range above"));
        let objective = numbers.objective();
        for loss in [policy, preference] {
            let at = |policy: &[f64], gradients: &mut [f64]| {
                let tokens = GroupTokens {
                    offsets: &offsets,
                    policy_log_probs: policy,
                    old_log_probs: &columns[1],
                    ref_log_probs: &columns[2],
                    advantages: &columns[3],
                    anchor,
                    divisor,
                };
                group_loss(&loss, tokens, &objective, gradients)
            };
            let mut closed = vec![f64::NAN; columns[0].len()];
            let _ = at(&columns[0], &mut closed);
            for (token, &gradient) in closed.iter().enumerate() {
                let moved = |step: f64| {
                    let mut policy = columns[0].clone();
                    policy[token] += step;
                    at(&policy, &mut vec![0.0; columns[0].len()])
                };
                assert_difference(moved(-STEP), moved(STEP), gradient);
            }
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
        // A clip without effect stands for none.
        let unclipped = (1.0 - 1e-12, 1e12);
        let ecpo = Clip::ecpo(0.2, 0.28, delta).expect("within the range above");
        for (clip, (low, high)) in [(ecpo, (0.2, 0.28)), (Clip::gbpo(), unclipped)] {
            let bounded = clip.bounded_old_log_prob(policy, old, advantage);
            prop_assert!(bounded >= old);
            let numbers = Numbers {
                low, high, dual: None, limit: 20.0, estimator: KlEstimator::K3, coef: 0.0,
                cap: None, times_ratio: false,
            };
            prop_assume!(!numbers.has_a_kink_near(policy - bounded, 0.0));
            let objective = Objective::new(clip, 20.0, KlEstimator::K3, 0.0).expect("an objective");
            for surrogate in [Surrogate::Clipped, Surrogate::Sequence] {
                let mut gradient = [f64::NAN];
                let token = Tokens::of([policy, old, 0.0, advantage]);
                let value = token.loss(surrogate, None, &objective, &mut gradient);
                let held = Tokens::of([
                    Dual::variable(policy),
                    Dual::constant(bounded),
                    Dual::constant(0.0),
                    Dual::constant(advantage),
                ])
                .loss(
                    widened(surrogate),
                    None,
                    &numbers.dual_objective(),
                    &mut [Dual::constant(0.0)],
                );
                let size = value.abs().max(1.0);
                assert_abs_diff_eq!(value, held.value, epsilon = ROUNDING * size);
                assert_abs_diff_eq!(gradient[0], held.derivative, epsilon = ROUNDING * size);
            }
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
