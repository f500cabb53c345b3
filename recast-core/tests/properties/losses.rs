//! The objective: precision, cancellation, the effect of a clip.

use approx::assert_abs_diff_eq;
use proptest::prelude::*;
use recast_core::objective::{
    Clip, CompletionTokens, KlEstimator, Objective, PolicyLoss, Preference, Surrogate, TokenTerm,
    clipped_tokens, completion_loss, kl_penalty, preference_loss,
};
use recast_core::reward::{PrefixCredit, structural_score};
use recast_core::signal::Recast;
use recast_core::{Group, Real, Signal};

use crate::groups::select;
use crate::tolerance::{ROUNDING, SINGLE};

/// Asserts that `single`, computed in `f32`, is close to `double`, computed in `f64`.
fn assert_close_to_double(single: f32, double: f64) {
    assert_abs_diff_eq!(f64::from(single), double, epsilon = SINGLE * double.abs().max(1.0));
}

fn objective() -> impl Strategy<Value = Objective<f64>> {
    let dual = prop_oneof![Just(None), (1.5..4.0_f64).prop_map(Some)];
    let estimator =
        prop_oneof![Just(KlEstimator::K1), Just(KlEstimator::K2), Just(KlEstimator::K3)];
    let clip = (0.0..0.5_f64, 0.0..0.5_f64, dual);
    (clip, 0.5..20.0_f64, estimator, 0.0..1.0_f64, any::<bool>()).prop_map(
        |((low, high, dual), limit, estimator, coef, times_ratio)| {
            let clip = Clip::new(low, high, dual).expect("within the ranges above");
            let objective = Objective::new(clip, limit, estimator, coef);
            objective.expect("within the ranges above").with_kl_times_ratio(times_ratio)
        },
    )
}

/// One of the surrogates, in any precision.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Clipped,
    Cispo,
    Sapo,
    Sequence,
    GeometricMean,
}

impl Kind {
    fn surrogate<T: Real>(self) -> Surrogate<T> {
        match self {
            Self::Clipped => Surrogate::Clipped,
            Self::Cispo => Surrogate::Cispo,
            Self::Sapo => Surrogate::Sapo { positive: T::one(), negative: T::of(1.05) },
            Self::Sequence => Surrogate::Sequence,
            Self::GeometricMean => Surrogate::GeometricMean,
        }
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    let kinds = [Kind::Clipped, Kind::Cispo, Kind::Sapo, Kind::Sequence, Kind::GeometricMean];
    prop::sample::select(kinds.to_vec())
}

/// Value and gradients of a sampled completion: policy, old, reference, advantages.
fn loss_of<T: Real>(
    surrogate: Surrogate<T>,
    [policy, old, reference, advantages]: &[Vec<T>; 4],
    objective: &Objective<T>,
) -> (T, Vec<T>) {
    let mut gradients = vec![T::nan(); policy.len()];
    let tokens = CompletionTokens {
        policy_log_probs: policy,
        old_log_probs: old,
        ref_log_probs: reference,
        advantages,
        is_anchor: false,
    };
    let loss = PolicyLoss { surrogate, ..PolicyLoss::default() };
    (completion_loss(&loss, tokens, objective, &mut gradients), gradients)
}

/// The same objective in single precision.
fn narrow(objective: &Objective<f64>) -> Objective<f32> {
    let clip = objective.clip();
    let dual = clip.dual().map(|dual| dual as f32);
    Objective::new(
        Clip::new(clip.low() as f32, clip.high() as f32, dual).expect("still within range"),
        objective.log_ratio_limit() as f32,
        objective.kl_estimator(),
        objective.kl_coef() as f32,
    )
    .expect("still within range")
    .with_kl_times_ratio(objective.kl_times_ratio())
}

/// Policy, old and reference log-probability, and an advantage.
fn token() -> impl Strategy<Value = [f64; 4]> {
    (-4.0..0.0_f64, -4.0..0.0_f64, -4.0..0.0_f64, -3.0..3.0_f64)
        .prop_map(|(policy, old, reference, advantage)| [policy, old, reference, advantage])
}

/// Whether a kink of the loss is within `distance` of this policy log-probability.
fn near_a_kink(token: [f64; 4], objective: &Objective<f64>, distance: f64) -> bool {
    let [policy, old, reference, _] = token;
    let (clip, limit) = (objective.clip(), objective.log_ratio_limit());
    let bounds = [Some(1.0 - clip.low()), Some(1.0 + clip.high()), clip.dual()];
    let near = |log_ratio: f64| (policy - old - log_ratio).abs() < distance;
    bounds.into_iter().flatten().any(|bound| near(bound.ln()))
        || near(clip.high())
        || near(-clip.low())
        || near(limit)
        || near(-limit)
        || ((reference - policy).abs() - limit).abs() < distance
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn single_precision_loses_only_rounding(
        tokens in proptest::collection::vec(token(), 1..6),
        objective in objective(),
        kind in kind(),
    ) {
        let count = tokens.len() as f64;
        let column = |index: usize| tokens.iter().map(|token| token[index]).collect::<Vec<_>>();
        let mean = |index: usize| column(index).iter().sum::<f64>() / count;
        prop_assume!(!near_a_kink([mean(0), mean(1), 0.0, 0.0], &objective, SINGLE));
        prop_assume!(tokens.iter().all(|token| !near_a_kink(*token, &objective, SINGLE)));
        // The sign of a shared advantage decides which bound is in force.
        prop_assume!(mean(3).abs() > SINGLE);
        let columns = [0, 1, 2, 3].map(column);
        let single = columns.clone().map(|column| column.iter().map(|&x| x as f32).collect());
        let (double, gradients) = loss_of(kind.surrogate(), &columns, &objective);
        let (narrow, narrow_gradients) = loss_of(kind.surrogate(), &single, &narrow(&objective));
        assert_close_to_double(narrow, double);
        for (narrow, double) in narrow_gradients.into_iter().zip(gradients) {
            assert_close_to_double(narrow, double);
        }
    }

    // A negative stops below its margin: its advantages then count as 0. All else is as before.
    #[test]
    fn a_margin_stops_the_surrogate_of_a_negative_below_it_and_nothing_else(
        tokens in proptest::collection::vec(token(), 1..6),
        objective in objective(),
        kind in kind(),
        margin in 0.01..4.0_f64,
        is_anchor in any::<bool>(),
    ) {
        let [policy, old, reference, advantages] =
            [0, 1, 2, 3].map(|index| tokens.iter().map(|token| token[index]).collect::<Vec<_>>());
        let sum = |column: &[f64]| column.iter().sum::<f64>();
        let lead = sum(&policy) - sum(&reference);
        prop_assume!((lead + margin).abs() > ROUNDING && sum(&advantages).abs() > ROUNDING);
        let at = |negative_margin, advantages: &[f64]| {
            let loss =
                PolicyLoss { surrogate: kind.surrogate(), negative_margin, ..Default::default() };
            let tokens = CompletionTokens {
                policy_log_probs: &policy,
                old_log_probs: &old,
                ref_log_probs: &reference,
                advantages,
                is_anchor,
            };
            let mut gradients = vec![f64::NAN; policy.len()];
            (completion_loss(&loss, tokens, &objective, &mut gradients), gradients)
        };
        let stops = sum(&advantages) < 0.0 && lead < -margin;
        let expected = if stops { vec![0.0; tokens.len()] } else { advantages.clone() };
        prop_assert_eq!(at(Some(margin), &advantages), at(None, &expected));
    }

    // Before the policy moves all systems push alike: they differ in later steps.
    #[test]
    fn at_ratio_one_every_surrogate_has_the_same_gradient(
        log_probs in proptest::collection::vec(-4.0..0.0_f64, 1..6),
        advantage in -3.0..3.0_f64,
        kind in kind(),
    ) {
        let objective = Objective::new(Clip::default(), 20.0, KlEstimator::K3, 0.0).unwrap();
        let count = log_probs.len();
        let columns = [log_probs.clone(), log_probs.clone(), log_probs, vec![advantage; count]];
        let (_, gradients) = loss_of(kind.surrogate(), &columns, &objective);
        for gradient in gradients {
            assert_abs_diff_eq!(gradient, -advantage / count as f64, epsilon = ROUNDING);
        }
    }

    #[test]
    fn a_completion_of_one_token_has_one_ratio_at_either_level(
        token in token(),
        objective in objective(),
    ) {
        let columns = token.map(|number| vec![number]);
        let [(a, by_a), (b, by_b)] = [Surrogate::Clipped, Surrogate::Sequence]
            .map(|surrogate| loss_of(surrogate, &columns, &objective));
        assert_abs_diff_eq!(a, b, epsilon = ROUNDING * a.abs().max(1.0));
        assert_abs_diff_eq!(by_a[0], by_b[0], epsilon = ROUNDING * by_a[0].abs().max(1.0));
    }

    #[test]
    fn a_capped_penalty_is_never_above_its_cap(
        token in token(),
        objective in objective(),
        cap in 1e-3..10.0_f64,
    ) {
        let [policy, _, reference, _] = token.map(|number| 5.0 * number);
        let capped = objective.with_kl_value_limit(Some(cap)).expect("a cap above 0");
        let (free, held) = (
            kl_penalty(policy, reference, &objective),
            kl_penalty(policy, reference, &capped),
        );
        prop_assert!(held.value.abs() <= cap);
        if free.value.abs() <= cap {
            prop_assert_eq!(free, held);
        } else {
            prop_assert_eq!(held.gradient, 0.0);
        }
    }

    #[test]
    fn single_precision_loses_only_rounding_in_preferences(
        positive in -4.0..0.0_f64,
        negatives in proptest::collection::vec(-4.0..0.0_f64, 0..6),
        beta in 0.01..3.0_f64,
    ) {
        let (mut gradients, mut narrow_gradients) =
            (vec![f64::NAN; negatives.len()], vec![f32::NAN; negatives.len()]);
        let zeros = vec![0.0; negatives.len()];
        let preference = Preference::new(beta).expect("within the range above");
        let double =
            preference_loss(positive, 0.0, &negatives, &zeros, preference, &mut gradients);
        let single: Vec<_> = negatives.iter().map(|&x| x as f32).collect();
        let narrow = preference_loss(
            positive as f32,
            0.0,
            &single,
            &vec![0.0; single.len()],
            Preference::new(beta as f32).expect("within the range above"),
            &mut narrow_gradients,
        );
        assert_close_to_double(narrow.value, double.value);
        assert_close_to_double(narrow.gradient, double.gradient);
        for (narrow, double) in narrow_gradients.into_iter().zip(gradients) {
            assert_close_to_double(narrow, double);
        }
    }

    // At the first step a ratio is 1, and the same completion under +w and -w moves nothing.
    #[test]
    fn equal_completions_with_opposite_advantages_cancel(
        log_probs in proptest::collection::vec(-4.0..0.0_f64, 1..6),
        weight in 1e-3..10.0_f64,
        kind in kind(),
    ) {
        let clip = Clip::new(3e-4, 4e-4, None).expect("GSPO's own clip");
        let objective = Objective::new(clip, 20.0, KlEstimator::K3, 0.0).expect("an objective");
        let count = log_probs.len();
        let [(_, up), (_, down)] = [weight, -weight].map(|advantage| {
            let [a, b, c] = [(); 3].map(|()| log_probs.clone());
            loss_of(kind.surrogate(), &[a, b, c, vec![advantage; count]], &objective)
        });
        prop_assert!(up.iter().zip(&down).all(|(up, down)| (up + down).abs() < ROUNDING * weight));
    }

    #[test]
    fn a_clipped_token_keeps_only_the_gradient_of_its_penalty(
        token in token(),
        objective in objective(),
    ) {
        let objective = objective.with_kl_times_ratio(false);
        let [policy, old, reference, advantage] = token;
        let tokens = CompletionTokens {
            policy_log_probs: &[policy],
            old_log_probs: &[old],
            ref_log_probs: &[],
            advantages: &[advantage],
            is_anchor: false,
        };
        if clipped_tokens(&PolicyLoss::default(), tokens, &objective) == 1 {
            let columns = token.map(|number| vec![number]);
            let (_, gradients) = loss_of(Surrogate::Clipped, &columns, &objective);
            let penalty = kl_penalty(policy, reference, &objective);
            prop_assert_eq!(gradients[0], objective.kl_coef() * penalty.gradient);
        }
    }

    #[test]
    fn k2_and_k3_are_never_negative_and_zero_at_the_reference(
        policy in -30.0..0.0_f64,
        reference in -30.0..0.0_f64,
    ) {
        for estimator in [KlEstimator::K2, KlEstimator::K3] {
            let objective = Objective::new(Clip::default(), 20.0, estimator, 1.0).unwrap();
            prop_assert!(kl_penalty(policy, reference, &objective).value >= 0.0);
            let zero = TokenTerm { value: 0.0, gradient: 0.0 };
            prop_assert_eq!(kl_penalty(policy, policy, &objective), zero);
        }
    }

    // Tokens that i+ and i- share are the same conditional: one log-prob, one ratio. At the first
    // step the ratio is 1, +w and -w cancel, and the net gradient starts at the first level where
    // the two differ.
    #[test]
    fn a_shared_prefix_cancels_and_the_rest_does_not(
        positive in proptest::collection::vec(0_u8..3, 3),
        negative in proptest::collection::vec(0_u8..3, 3),
        log_probs in proptest::collection::vec(-4.0..0.0_f64, 3),
        weight in 1e-3..10.0_f64,
    ) {
        let scores = [1.0, structural_score(&negative, &positive, 3, PrefixCredit::decimal())];
        let group = Group::new(&[1.0, 0.0], &scores, None).unwrap();
        let signal = Signal::Recast(Recast { weight, ..Recast::default() });
        let selection = select(signal, group).unwrap();
        let objective = Objective::new(Clip::default(), 20.0, KlEstimator::K3, 0.0).unwrap();
        let shared = positive.iter().zip(&negative).take_while(|(a, b)| a == b).count();
        for (level, &log_prob) in log_probs.iter().enumerate() {
            let [up, down] = [0, 1].map(|side| {
                let (_, advantage) = selection[side];
                let columns = [log_prob, log_prob, log_prob, advantage].map(|number| vec![number]);
                loss_of(Surrogate::Clipped, &columns, &objective).1[0]
            });
            if level < shared {
                prop_assert_eq!(up + down, 0.0);
            } else {
                // The conditionals differ from here on: one is pushed up, the other down.
                prop_assert!(up < 0.0 && down > 0.0);
            }
        }
    }
}
