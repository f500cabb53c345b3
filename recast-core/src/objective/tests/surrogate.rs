//! Tokens under each surrogate.

use super::*;

/// The surrogate at a ratio, under the default objective.
fn at_ratio(ratio: f64, advantage: f64) -> TokenTerm<f64> {
    token(ratio.ln(), 0.0, f64::NAN, advantage, &without_penalty(Clip::default()))
}

#[test]
fn a_positive_is_clipped_above_only() {
    assert_term(at_ratio(1.2, 2.0), -2.4, -2.4);
    assert_term(at_ratio(1.5, 2.0), -2.56, 0.0);
    assert_term(at_ratio(0.1, 2.0), -0.2, -0.2);
}

#[test]
fn a_negative_is_clipped_below_and_by_the_dual_clip() {
    assert_term(at_ratio(0.9, -1.0), 0.9, 0.9);
    assert_term(at_ratio(0.5, -1.0), 0.8, 0.0);
    assert_term(at_ratio(2.5, -1.0), 2.5, 2.5);
    assert_term(at_ratio(4.0, -1.0), 3.0, 0.0);
}

#[test]
fn without_a_dual_clip_a_negative_is_unbounded_above() {
    let clip = Clip::new(0.2, 0.28, None).unwrap();
    let objective = Objective::new(clip, 20.0, KlEstimator::K3, 0.0).unwrap();
    assert_term(token(4.0_f64.ln(), 0.0, f64::NAN, -1.0, &objective), 4.0, 4.0);
}

#[test]
fn at_a_kink_the_gradient_is_the_inner_one() {
    // The bounds are exact at the ratio 1: exp(0) is exactly 1 + 0 and 1 - 0.
    let clip = Clip::new(0.0, 0.0, None).unwrap();
    let objective = Objective::new(clip, 20.0, KlEstimator::K3, 0.0).unwrap();
    for advantage in [1.0, -1.0] {
        assert_term(token(0.0, 0.0, f64::NAN, advantage, &objective), -advantage, -advantage);
        assert!(!is_clipped(0.0, 0.0, advantage, &objective));
    }
}

#[test]
fn an_advantage_of_zero_gives_nothing() {
    for ratio in [0.1, 1.0, 9.0] {
        assert_term(at_ratio(ratio, 0.0), 0.0, 0.0);
        assert!(!is_clipped(ratio.ln(), 0.0, 0.0, &Objective::default()));
    }
}

#[test]
fn a_token_is_clipped_exactly_where_a_clip_flattens_its_surrogate() {
    for ratio in [0.1, 0.7, 0.9, 1.0, 1.2, 1.4, 2.9, 3.1, 50.0] {
        for advantage in [1.0, -1.0] {
            let clipped = is_clipped(f64::ln(ratio), 0.0, advantage, &Objective::default());
            assert_eq!(clipped, at_ratio(ratio, advantage).gradient == 0.0);
        }
    }
}

#[test]
fn log_ratios_beyond_the_limit_are_clamped_and_flat() {
    let objective = Objective::new(Clip::default(), 0.1, KlEstimator::K3, 0.0).unwrap();
    assert_term(token(-5.0, 0.0, f64::NAN, 1.0, &objective), -(-0.1_f64).exp(), 0.0);
    let at_limit = (-0.1_f64).exp();
    assert_term(token(-0.1, 0.0, f64::NAN, 1.0, &objective), -at_limit, -at_limit);
}

fn under(surrogate: Surrogate<f64>, clip: Clip<f64>, ratio: f64, advantage: f64) -> TokenTerm<f64> {
    let numbers = [-2.0, -2.0 - ratio.ln(), f64::NAN];
    token_under(&of(surrogate), numbers, advantage, &without_penalty(clip))
}

#[test]
fn cispo_weighs_the_log_prob_by_the_clipped_ratio_on_both_sides() {
    for advantage in [1.5, -1.5] {
        for (ratio, weight) in [(0.1, 0.8), (0.9, 0.9), (1.0, 1.0), (1.2, 1.2), (50.0, 1.28)] {
            let term = under(Surrogate::Cispo, Clip::default(), ratio, advantage);
            assert_term(term, 2.0 * weight * advantage, -weight * advantage);
        }
    }
    let none_below = Clip::new(1.0, 4.0, None).unwrap();
    assert_term(under(Surrogate::Cispo, none_below, 1e-3, 1.0), 2e-3, -1e-3);
    assert_term(under(Surrogate::Cispo, none_below, 1e3, 1.0), 10.0, -5.0);
}

#[test]
fn cispo_teaches_beyond_the_limit_of_the_log_ratio_too() {
    let objective = Objective::new(Clip::unclipped(), 1.0, KlEstimator::K3, 0.0).unwrap();
    let term = token_under(&of(Surrogate::Cispo), [-1.0, -9.0, f64::NAN], 1.0, &objective);
    assert_term(term, 1.0_f64.exp(), -1.0_f64.exp());
}

#[test]
fn sapo_gates_by_the_temperature_of_the_sign() {
    let sapo = Surrogate::Sapo { positive: 1.0, negative: 2.0 };
    for (ratio, advantage, temperature) in
        [(1.0, 1.0, 1.0), (1.0, -1.0, 2.0), (3.0, 0.5, 1.0), (0.2, -0.5, 2.0)]
    {
        let gate = 1.0 / (1.0 + f64::exp(-temperature * (ratio - 1.0)));
        let value = -advantage * 4.0 / temperature * gate;
        let gradient = -advantage * 4.0 * gate * (1.0 - gate) * ratio;
        assert_term(under(sapo, Clip::default(), ratio, advantage), value, gradient);
    }
    // At ratio 1 the gradient is that of the plain surrogate.
    assert_term(under(sapo, Clip::default(), 1.0, 3.0), -6.0, -3.0);
}

#[test]
fn sapo_is_finite_and_flat_far_from_ratio_one() {
    let sapo = Surrogate::Sapo { positive: 1.0_f32, negative: 1.05 };
    for log_ratio in [-1e30, -20.0, 20.0, 1e30] {
        for advantage in [1.0, -1.0] {
            let objective = Objective::new(Clip::default(), 20.0, KlEstimator::K3, 0.0).unwrap();
            let loss = PolicyLoss { surrogate: sapo, ..PolicyLoss::default() };
            let term = token_under(&loss, [log_ratio, 0.0, 0.0], advantage, &objective);
            assert!(term.value.is_finite() && term.gradient.abs() < 1e-6);
        }
    }
}

#[test]
fn an_advantage_of_zero_gives_nothing_under_any_surrogate() {
    let sapo = Surrogate::Sapo { positive: 1.0, negative: 1.05 };
    for surrogate in
        [Surrogate::Clipped, Surrogate::Cispo, sapo, Surrogate::Sequence, Surrogate::GeometricMean]
    {
        for ratio in [0.01, 1.0, 99.0] {
            assert_term(under(surrogate, Clip::default(), ratio, 0.0), 0.0, 0.0);
        }
    }
}

#[test]
fn without_a_clip_every_ratio_is_in_force() {
    for ratio in [1e-6, 0.5, 1.0, 1e3] {
        for advantage in [1.0, -1.0] {
            let value = -ratio * advantage;
            let clip = Clip::unclipped();
            assert_term(under(Surrogate::Clipped, clip, ratio, advantage), value, value);
            assert_term(under(Surrogate::GeometricMean, clip, ratio, advantage), value, value);
        }
    }
}
