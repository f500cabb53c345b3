//! The loss of each token or completion under a policy loss.

use burn::tensor::{Bool, Device, Tensor, TensorData};
use recast_core::objective::{AnchorRatio, PolicyLoss, RatioBound, Surrogate};

use super::batch::UpdateBatch;
use super::penalty::kl_penalty;
use super::surrogate::{bounded_log_ratios, bounded_old_log_probs, cispo, clipped, ratios, sapo};
use super::{LogProbs, column, level_mean};

/// The columns that a policy loss reads, on one device.
///
/// # Shapes
///
/// Columns of tokens `(L N)`, level by level; columns of units `(L N)` or `(N)`, by the surrogate.
pub(super) struct Terms<'a> {
    batch: &'a UpdateBatch,
    loss: &'a PolicyLoss<f32>,
    policy: Tensor<1>,
    /// The old log-probabilities; an anchor that reads none has the policy's own, without a
    /// gradient.
    old: Tensor<1>,
    reference: Tensor<1>,
    token_advantages: Tensor<1>,
}

impl<'a> Terms<'a> {
    pub(super) fn new(
        log_probs: LogProbs,
        batch: &'a UpdateBatch,
        loss: &'a PolicyLoss<f32>,
    ) -> Self {
        let LogProbs { policy_log_probs: policy, old_log_probs, ref_log_probs: reference } =
            log_probs;
        let device = policy.device();
        let old = match off_policy(batch, loss, batch.levels(), &device) {
            None => old_log_probs,
            Some(anchors) => old_log_probs.mask_where(anchors, policy.clone().detach()),
        };
        let token_advantages = column(batch.token_advantages(), &device);
        Self { batch, loss, policy, old, reference, token_advantages }
    }

    /// The loss of each unit.
    pub(super) fn losses(self) -> Tensor<1> {
        let objective = self.batch.objective();
        let advantages = || self.token_advantages.clone();
        match self.loss.surrogate {
            Surrogate::Clipped => {
                let losses = clipped(self.bounded_log_ratios(), advantages(), objective);
                self.by_token(losses)
            }
            Surrogate::Cispo => {
                let policy = self.policy.clone();
                let losses = cispo(policy, self.log_ratios(), advantages(), objective);
                self.by_token(losses)
            }
            Surrogate::Sapo { positive, negative } => {
                let temperatures = [positive, negative];
                let losses = sapo(self.log_ratios(), advantages(), temperatures, objective);
                self.by_token(losses)
            }
            Surrogate::Sequence => {
                let advantages = self.completion_advantages();
                let log_ratios = self.sequence_log_ratios(&advantages);
                let losses = clipped(log_ratios, advantages, objective);
                let ratios = || level_mean(self.log_ratios(), self.batch.levels());
                let penalties = || {
                    self.times_ratio(level_mean(self.penalties(), self.batch.levels()), ratios, 1)
                };
                self.by_completion(losses, penalties)
            }
            Surrogate::GeometricMean => {
                let levels = self.batch.levels();
                let advantages = self.completion_advantages();
                let of_tokens = advantages.clone().repeat_dim(0, levels);
                let log_ratios = bounded_log_ratios(self.log_ratios(), of_tokens, objective);
                let losses = -(level_mean(log_ratios, levels).exp() * advantages);
                let penalties = || level_mean(self.token_penalties(), levels);
                self.by_completion(losses, penalties)
            }
        }
    }

    /// `policy - old` of each token.
    fn log_ratios(&self) -> Tensor<1> {
        self.policy.clone() - self.old.clone()
    }

    /// `policy - old` of each token, with the old log-probability bounded by ECPO or GBPO.
    fn bounded_log_ratios(&self) -> Tensor<1> {
        let clip = self.batch.objective().clip();
        let old = self.old.clone();
        self.policy.clone() - bounded_old_log_probs(&self.policy, old, &self.token_advantages, clip)
    }

    /// The mean log-ratio of each completion, bounded at the means of its log-probabilities.
    fn sequence_log_ratios(&self, advantages: &Tensor<1>) -> Tensor<1> {
        let (clip, levels) = (self.batch.objective().clip(), self.batch.levels());
        let log_ratios = level_mean(self.log_ratios(), levels);
        match clip.ratio_bound() {
            RatioBound::None | RatioBound::Dual(_) => log_ratios,
            RatioBound::Ecpo(_) | RatioBound::Gbpo => {
                let policy = level_mean(self.policy.clone(), levels);
                let old = level_mean(self.old.clone(), levels);
                let bounded = bounded_old_log_probs(&policy, old.clone(), advantages, clip);
                let raised = bounded.clone().greater(old);
                log_ratios.mask_where(raised, policy - bounded)
            }
        }
    }

    fn completion_advantages(&self) -> Tensor<1> {
        column(self.batch.completion_advantages(), &self.policy.device())
    }

    /// The anchors that read no old log-probability, once for each of `levels`.
    fn off_policy(&self, levels: usize) -> Option<Tensor<1, Bool>> {
        off_policy(self.batch, self.loss, levels, &self.policy.device())
    }

    fn by_token(&self, losses: Tensor<1>) -> Tensor<1> {
        let levels = self.batch.levels();
        let losses = self.with_anchors(losses, levels, |terms| terms);
        self.penalised(self.without_stopped(losses, levels), || self.token_penalties())
    }

    fn by_completion(&self, losses: Tensor<1>, penalties: impl FnOnce() -> Tensor<1>) -> Tensor<1> {
        let levels = self.batch.levels();
        let losses = self.with_anchors(losses, 1, |terms| level_mean(terms, levels));
        self.penalised(self.without_stopped(losses, 1), penalties)
    }

    /// Removes the losses of negatives that the policy holds below the margin. The comparison
    /// carries no gradient.
    fn without_stopped(&self, losses: Tensor<1>, levels: usize) -> Tensor<1> {
        let Some(margin) = self.loss.negative_margin else { return losses };
        let below = |negative| if negative { -margin } else { f32::MIN };
        let bounds: Vec<f32> = self.batch.negatives().map(below).collect();
        let leads = self.policy.clone().detach() - self.reference.clone();
        let leads = level_mean(leads, self.batch.levels()) * self.batch.levels() as f32;
        let stopped = leads.lower(column(&bounds, &losses.device()));
        losses.mask_fill(stopped.repeat_dim(0, levels), 0.0)
    }

    /// Replaces the losses of anchors by those of their own ratios.
    fn with_anchors(
        &self,
        losses: Tensor<1>,
        levels: usize,
        units: impl FnOnce(Tensor<1>) -> Tensor<1>,
    ) -> Tensor<1> {
        let Some(anchors) = self.batch.anchors() else { return losses };
        let policy = || self.policy.clone();
        let shares = match self.loss.anchor_ratio {
            AnchorRatio::Recompute => return losses,
            AnchorRatio::Weighted { weight } => {
                let factors = anchors.iter().map(|&anchor| if anchor { weight } else { 1.0 });
                let factors: Vec<f32> = factors.collect();
                return losses * column(&factors.repeat(levels), &self.policy.device());
            }
            AnchorRatio::Detached => (policy() - policy().detach()).exp(),
            AnchorRatio::Shaped { gamma } => {
                let probabilities = policy().exp();
                probabilities.clone() / (probabilities + gamma)
            }
        };
        match self.off_policy(levels) {
            None => losses,
            Some(anchors) => {
                losses.mask_where(anchors, units(-(shares * self.token_advantages.clone())))
            }
        }
    }

    fn penalised(&self, losses: Tensor<1>, penalties: impl FnOnce() -> Tensor<1>) -> Tensor<1> {
        let coef = self.batch.objective().kl_coef();
        if coef > 0.0 { losses + penalties() * coef } else { losses }
    }

    /// The KL penalty of each token, before its coefficient.
    fn penalties(&self) -> Tensor<1> {
        kl_penalty(self.reference.clone() - self.policy.clone(), self.batch.objective())
    }

    /// The KL penalty of each token, times the token's ratio if the objective says so.
    fn token_penalties(&self) -> Tensor<1> {
        self.times_ratio(self.penalties(), || self.log_ratios(), self.batch.levels())
    }

    fn times_ratio(
        &self,
        penalties: Tensor<1>,
        log_ratios: impl FnOnce() -> Tensor<1>,
        levels: usize,
    ) -> Tensor<1> {
        let objective = self.batch.objective();
        if !objective.kl_times_ratio() {
            return penalties;
        }
        let ratios = ratios(log_ratios(), objective);
        penalties
            * match self.off_policy(levels) {
                None => ratios,
                Some(anchors) => ratios.mask_fill(anchors, 1.0),
            }
    }
}

/// The anchors whose ratio reads no old log-probability, repeated for each of `levels`.
fn off_policy(
    batch: &UpdateBatch,
    loss: &PolicyLoss<f32>,
    levels: usize,
    device: &Device,
) -> Option<Tensor<1, Bool>> {
    match loss.anchor_ratio {
        AnchorRatio::Recompute | AnchorRatio::Weighted { .. } => None,
        AnchorRatio::Detached | AnchorRatio::Shaped { .. } => {
            let anchors = batch.anchors()?.repeat(levels);
            let shape = [anchors.len()];
            Some(Tensor::from_data(TensorData::new(anchors, shape), device))
        }
    }
}
