use crate::real::Real;

/// The scale of a whole step: running statistics over its groups, then one affine map of every
/// advantage.
///
/// ```text
/// GRPO by batch   A = a / (std + epsilon)                    std over the rewards of all groups
/// REINFORCE++     A = (a - mean) / sqrt(variance + epsilon)  both over the tokens of all kept
/// all others      A = a                                      to the bit
/// ```
///
/// Here `a` is an advantage of [`select`](crate::Signal::select). Every signal has a scale, so a
/// loop needs no case for scales that do nothing. A loop selects and [`observe`](Self::observe)s
/// every group of the step, then [`apply`](Self::apply) scales each group's advantages.
/// [`select_batch`](crate::Signal::select_batch) does both.
///
/// Deviation and variance are unbiased (sample). In REINFORCE++ the degrees of freedom count
/// tokens, as in verl: an advantage stands once for each token of its completion. Where the
/// variance is 0 all advantages become 0, but a single reward in the whole step has deviation 1.
/// Groups that are skipped are not observed. Sums run in the order of observation. `O(1)` memory.
/// The scale cannot check that squares of rewards are finite.
///
/// See [`RewardScale::Batch`](crate::signal::RewardScale::Batch) and
/// [`Signal::ReinforcePlusPlus`](crate::Signal::ReinforcePlusPlus) for the sources.
///
/// # Examples
///
/// ```
/// use recast_core::{Group, Outcome, Signal};
///
/// let signal = Signal::<f64>::reinforce_plus_plus();
/// let (rewards, scores) = ([1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]);
/// let (mut kept, mut advantages) = ([0; 4], [0.0; 4]);
/// let mut scale = signal.batch_scale();
/// for (group, advantages) in [0..2, 2..4].into_iter().zip(advantages.chunks_mut(2)) {
///     let group = Group::new(&rewards[group.clone()], &scores[group], None)?;
///     if let Outcome::Trained(selection) = signal.select(group, &mut kept, advantages) {
///         scale.observe(group.rewards(), selection.advantages, &[3; 2]);
///     }
/// }
/// scale.apply(&mut advantages);
/// // 12 tokens of variance 12 / 11 / 4.
/// let expected = 0.5 / (3.0_f64 / 11.0).sqrt();
/// assert!((advantages[0] - expected).abs() < 1e-7 && (advantages[1] + expected).abs() < 1e-7);
/// # Ok::<(), recast_core::GroupError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchScale<T> {
    kind: Kind<T>,
    count: usize,
    mean: T,
    /// The sum of squared distances from the mean.
    squares: T,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind<T> {
    None,
    Rewards { epsilon: T },
    Tokens { epsilon: T },
}

impl<T: Real> BatchScale<T> {
    fn of(kind: Kind<T>) -> Self {
        Self { kind, count: 0, mean: T::zero(), squares: T::zero() }
    }

    pub(crate) fn none() -> Self {
        Self::of(Kind::None)
    }

    /// Divides by the deviation of all rewards.
    pub(crate) fn of_rewards(epsilon: T) -> Self {
        Self::of(Kind::Rewards { epsilon })
    }

    /// Standardises by mean and variance of all tokens' advantages.
    pub(crate) fn of_tokens(epsilon: T) -> Self {
        Self::of(Kind::Tokens { epsilon })
    }

    /// Whether the scale changes anything.
    pub(crate) fn is_any(&self) -> bool {
        self.kind != Kind::None
    }

    /// Takes in a group that is trained on, after its repair. The rewards are of the whole group;
    /// advantages and numbers of tokens are of the kept completions.
    ///
    /// `O(G)` time.
    ///
    /// # Shapes
    ///
    /// `rewards`: (G); `advantages`, `tokens`: (kept).
    ///
    /// # Panics
    ///
    /// If there is not one number of tokens for each advantage.
    pub fn observe(&mut self, rewards: &[T], advantages: &[T], tokens: &[usize]) {
        assert!(
            tokens.len() == advantages.len(),
            "{} advantages need as many numbers of tokens, got {}",
            advantages.len(),
            tokens.len()
        );
        self.observe_each(rewards, advantages.iter().copied(), tokens.iter().copied());
    }

    pub(crate) fn observe_each(
        &mut self,
        rewards: &[T],
        advantages: impl Iterator<Item = T>,
        tokens: impl Iterator<Item = usize>,
    ) {
        match self.kind {
            Kind::None => {}
            Kind::Rewards { .. } => rewards.iter().for_each(|&reward| self.add(reward, 1)),
            Kind::Tokens { .. } => {
                advantages.zip(tokens).for_each(|(advantage, tokens)| self.add(advantage, tokens));
            }
        }
    }

    /// Adds a number so many times. See "Updating Mean and Variance Estimates: An Improved Method",
    /// West, <https://doi.org/10.1145/359146.359153>.
    fn add(&mut self, value: T, times: usize) {
        if times == 0 {
            return;
        }
        self.count += times;
        let (times, count) = (T::of_count(times), T::of_count(self.count));
        let distance = value - self.mean;
        self.mean = self.mean + distance * (times / count);
        self.squares = self.squares + times * distance * (value - self.mean);
    }

    /// Scales advantages of the step, after all its groups were observed.
    pub fn apply(&self, advantages: &mut [T]) {
        let freedom = T::of_count(self.count.saturating_sub(1).max(1));
        let variance = self.squares / freedom;
        let (shift, divisor) = match self.kind {
            Kind::None => return,
            Kind::Rewards { epsilon } if self.count == 1 => (T::zero(), T::one() + epsilon),
            Kind::Rewards { epsilon } => (T::zero(), variance.sqrt() + epsilon),
            Kind::Tokens { epsilon } => (self.mean, (variance + epsilon).sqrt()),
        };
        let is_flat = variance.is_zero() && self.count != 1;
        let factor = if is_flat { T::zero() } else { T::one() / divisor };
        for advantage in advantages {
            *advantage = (*advantage - shift) * factor;
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact results are claimed where no tolerance is given")]
mod tests {
    use super::*;
    use crate::signal::Signal;
    use crate::tolerance::ROUNDING;
    use approx::assert_abs_diff_eq;

    #[test]
    fn grpo_by_batch_divides_by_the_deviation_of_all_rewards() {
        let mut scale = BatchScale::of_rewards(0.5);
        // Rewards 1 0 0 0 0 0: mean 1/6, sample variance (25 + 5) / 36 / 5 = 1/6.
        scale.observe(&[1.0, 0.0, 0.0], &[2.0 / 3.0, -1.0 / 3.0, -1.0 / 3.0], &[3; 3]);
        scale.observe(&[0.0; 3], &[0.0; 3], &[3; 3]);
        let mut advantages = [2.0 / 3.0, -1.0 / 3.0, 0.0];
        scale.apply(&mut advantages);
        let divisor = (1.0_f64 / 6.0).sqrt() + 0.5;
        assert_abs_diff_eq!(advantages[0], 2.0 / 3.0 / divisor, epsilon = ROUNDING);
        assert_abs_diff_eq!(advantages[1], -1.0 / 3.0 / divisor, epsilon = ROUNDING);
        assert_eq!(advantages[2], 0.0);
    }

    #[test]
    fn reinforce_plus_plus_counts_an_advantage_once_for_each_token() {
        let mut weighted = BatchScale::of_tokens(1e-8);
        weighted.observe(&[], &[0.5, -0.5], &[1, 3]);
        weighted.observe(&[], &[1.0], &[2]);
        let mut repeated = BatchScale::of_tokens(1e-8);
        repeated.observe(&[], &[0.5, -0.5, -0.5, -0.5, 1.0, 1.0], &[1; 6]);
        let [mut a, mut b] = [[0.5, -0.5, 1.0]; 2];
        weighted.apply(&mut a);
        repeated.apply(&mut b);
        for (a, b) in a.into_iter().zip(b) {
            assert_abs_diff_eq!(a, b, epsilon = ROUNDING);
        }
        // mean 1/6, squares 1/4 + 3/4 + 2 - 6/36, five degrees of freedom
        let deviation = ((3.0 - 1.0 / 6.0) / 5.0 + 1e-8_f64).sqrt();
        assert_abs_diff_eq!(a[2], (1.0 - 1.0 / 6.0) / deviation, epsilon = ROUNDING);
    }

    #[test]
    fn all_other_signals_leave_advantages_as_they_are() {
        for signal in Signal::<f64>::all() {
            if matches!(signal, Signal::ReinforcePlusPlus { .. }) {
                continue;
            }
            let mut scale = signal.batch_scale();
            scale.observe(&[1.0, 0.0], &[0.3, -0.7], &[3, 3]);
            let mut advantages = [0.3, -0.7];
            scale.apply(&mut advantages);
            assert_eq!(advantages, [0.3, -0.7]);
        }
    }

    #[test]
    fn what_does_not_vary_teaches_nothing() {
        for mut scale in [BatchScale::of_rewards(0.0), BatchScale::of_tokens(0.0)] {
            scale.observe(&[0.1; 5], &[0.0; 5], &[3; 5]);
            let mut advantages = [0.0; 5];
            scale.apply(&mut advantages);
            assert_eq!(advantages, [0.0; 5]);
        }
    }

    #[test]
    fn a_single_reward_has_deviation_one() {
        let mut scale = BatchScale::of_rewards(1.0);
        scale.observe(&[1.0], &[1.0], &[3]);
        let mut advantages = [1.0];
        scale.apply(&mut advantages);
        assert_eq!(advantages, [0.5]);
    }

    #[test]
    #[should_panic(expected = "2 advantages need as many numbers of tokens, got 1")]
    fn missing_tokens_panic_with_both_numbers() {
        Signal::<f64>::grpo().batch_scale().observe(&[0.0; 2], &[0.0; 2], &[3]);
    }
}
