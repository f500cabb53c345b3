//! The update of the policy on selected groups.

use burn::tensor::Tensor;
use recast_burn::objective::{LogProbs, UpdateBatch, policy_loss};
use recast_core::objective::{
    CompletionTokens, Loss, Objective, PolicyLoss, clipped_tokens, kl_penalty,
};

use super::loss::{KeptGroup, Layout, completion_log_probs, micro_batches, update_batch};
use crate::catalogue::{Node, Trie};
use crate::error::Result;
use crate::model::Decoder;
use crate::optim::{Optimiser, Replicas, StepGradients, batches_of};

/// The groups of an optimiser step, by micro-batch.
pub(crate) type Minibatch<'a> = Vec<&'a [KeptGroup]>;

/// The update of one signal's groups, without the weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update<'a> {
    /// The trie whose codes normalise log-probabilities.
    pub(crate) trie: &'a Trie,
    /// The layout of kept completions.
    pub(crate) layout: Layout,
    /// Tokens in one pass through the decoder; 0 means all.
    pub(crate) micro_batch_tokens: usize,
    /// Whole groups of an optimiser step.
    pub(crate) groups_per_minibatch: usize,
    /// The loss of the signal's selection.
    pub(crate) loss: Loss<f32>,
    /// The numbers of the objective.
    pub(crate) objective: Objective<f32>,
    /// The devices that share each step.
    pub(crate) replicas: &'a Replicas,
}

/// A micro-batch with the numbers of its loss.
struct Part<'a> {
    groups: &'a [KeptGroup],
    batch: UpdateBatch,
    /// None if the current policy is the rollout policy.
    old: Option<Tensor<1>>,
    /// None if the loss reads no reference.
    reference: Option<Tensor<1>>,
}

/// Sums over the tokens of a minibatch.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TokenSums {
    /// Tokens of kept completions.
    pub(crate) tokens: usize,
    /// Tokens that a clip holds.
    pub(crate) clipped: usize,
    /// The sum of the penalties towards the reference.
    pub(crate) kl: f64,
    /// The sum of the log-probs of completions whose advantages add up to more than zero, and their
    /// number.
    pub(crate) positives: (f64, usize),
    /// The same of completions whose advantages add up to less than zero.
    pub(crate) negatives: (f64, usize),
}

impl Update<'_> {
    /// Cuts groups into minibatches, and minibatches into micro-batches.
    pub(crate) fn minibatches<'g>(
        &self,
        groups: &'g [KeptGroup],
        levels: usize,
    ) -> Vec<Minibatch<'g>> {
        let of_minibatch = |groups: &'g [KeptGroup]| {
            let tokens = groups
                .iter()
                .map(|group| self.layout.tokens(&group.prompt, &group.leaves, levels))
                .sum();
            let tokens = self.replicas.micro_batch_tokens(self.micro_batch_tokens, tokens);
            micro_batches(groups, tokens, self.layout, levels)
        };
        groups.chunks(self.groups_per_minibatch).map(of_minibatch).collect()
    }

    /// The log-probabilities of each micro-batch of each minibatch under a frozen decoder.
    pub(crate) fn log_probs(
        &self,
        model: &Decoder,
        minibatches: &[Minibatch<'_>],
    ) -> Vec<Vec<Tensor<1>>> {
        let of_part =
            |groups: &&[KeptGroup]| completion_log_probs(model, self.trie, groups, self.layout);
        minibatches.iter().map(|groups| groups.iter().map(of_part).collect()).collect()
    }

    /// Numbers of completions, computed in parts of the size of an update's parts.
    ///
    /// The closure `of_part` makes the numbers of some groups, (L N), level after level. The result
    /// has the numbers of all groups in the same order.
    pub(super) fn in_parts(
        &self,
        groups: &[(&[u32], &[Node])],
        levels: usize,
        of_part: impl Fn(&[(&[u32], &[Node])]) -> Tensor<1>,
    ) -> Tensor<1> {
        let tokens_of =
            |&(prompt, leaves): &(&[u32], &[Node])| self.layout.tokens(prompt, leaves, levels);
        let parts: Vec<Tensor<2>> = groups
            .chunks(self.groups_per_minibatch)
            .flat_map(|groups| batches_of(groups, self.micro_batch_tokens, tokens_of))
            .map(|groups| {
                let part = of_part(groups);
                let completions = part.dims()[0] / levels;
                part.reshape([levels, completions])
            })
            .collect();
        let all = Tensor::cat(parts, 1);
        let [levels, completions] = all.dims();
        all.reshape([levels * completions])
    }

    /// The gradients of the loss of a minibatch, and the log-probabilities of its tokens.
    ///
    /// Without old log-probabilities the current policy is the rollout policy. Without reference
    /// ones the policy is its own reference, at divergence 0. Loss, norm and log-probabilities are
    /// read at once: the step waits for the device once.
    ///
    /// # Errors
    ///
    /// If core refuses the advantages for the loss.
    pub(crate) fn gradients(
        &self,
        optimiser: &Optimiser,
        policy: &Decoder,
        minibatch: &Minibatch<'_>,
        old: Option<&[Tensor<1>]>,
        reference: Option<&[Tensor<1>]>,
    ) -> Result<StepGradients> {
        let levels = policy.levels();
        let of_groups = minibatch.iter().map(|groups| groups.len()).sum();
        let parts: Vec<Part<'_>> = minibatch
            .iter()
            .enumerate()
            .map(|(i, &groups)| {
                let batch = update_batch(groups, of_groups, levels, self.loss, &self.objective)?;
                let of_part = |column: &[Tensor<1>]| column[i].clone();
                Ok(Part { groups, batch, old: old.map(of_part), reference: reference.map(of_part) })
            })
            .collect::<Result<_>>()?;
        let loss = |model: &Decoder, _: usize, part: &Part<'_>| {
            let policy = completion_log_probs(model, self.trie, part.groups, self.layout);
            let device = policy.device().inner();
            let at_hand = policy.clone().inner();
            let old = part.old.clone().map_or(at_hand.clone(), |old| old.to_device(&device));
            let reference = part.reference.clone();
            let reference = reference.map_or(at_hand.clone(), |found| found.to_device(&device));
            let read = Tensor::cat(vec![at_hand, old.clone(), reference.clone()], 0);
            let log_probs = LogProbs {
                policy_log_probs: policy,
                old_log_probs: Tensor::from_inner(old),
                ref_log_probs: Tensor::from_inner(reference),
            };
            (policy_loss(log_probs, &part.batch), Some(read))
        };
        Ok(self.replicas.gradients(optimiser, policy, &parts, loss))
    }

    /// Counts the tokens of a minibatch by the log-probabilities that [`Update::gradients`] read.
    pub(crate) fn count(
        &self,
        minibatch: &Minibatch<'_>,
        found: &StepGradients,
        levels: usize,
        sums: &mut TokenSums,
    ) {
        for (groups, log_probs) in minibatch.iter().zip(&found.numbers) {
            self.count_part(groups, log_probs, levels, sums);
        }
    }

    /// Counts the tokens of a micro-batch; `log_probs` are the policy's, old and reference ones.
    fn count_part(
        &self,
        groups: &[KeptGroup],
        log_probs: &[f32],
        levels: usize,
        sums: &mut TokenSums,
    ) {
        let tokens = log_probs.len() / 3;
        let completions = tokens / levels;
        let (policy, rest) = log_probs.split_at(tokens);
        let (old, reference) = rest.split_at(tokens);
        sums.tokens += tokens;
        for (&policy, &reference) in policy.iter().zip(reference) {
            sums.kl += f64::from(kl_penalty(policy, reference, &self.objective).value);
        }
        let of_completion = |values: &[f32], completion: usize| -> Vec<f32> {
            values.iter().skip(completion).step_by(completions).copied().collect()
        };
        let all = groups.iter().flat_map(|group| group.token_advantages.chunks_exact(levels));
        for (completion, advantages) in all.enumerate() {
            let advantage: f32 = advantages.iter().sum();
            let of_sign = match advantage {
                advantage if advantage > 0.0 => &mut sums.positives,
                advantage if advantage < 0.0 => &mut sums.negatives,
                _ => continue,
            };
            let tokens = policy.iter().skip(completion).step_by(completions);
            of_sign.0 += tokens.map(|&log_prob| f64::from(log_prob)).sum::<f64>();
            of_sign.1 += 1;
        }
        let Loss::Policy(loss) = self.loss else { return };
        let advantages = groups.iter().flat_map(|group| {
            let anchors = (0..group.leaves.len()).map(|kept| group.anchor == Some(kept));
            group.token_advantages.chunks_exact(levels).zip(anchors)
        });
        for (completion, (advantages, is_anchor)) in advantages.enumerate() {
            let (policy, old) = (of_completion(policy, completion), of_completion(old, completion));
            sums.clipped += clipped(&loss, &policy, &old, advantages, is_anchor, &self.objective);
        }
    }
}

/// The number of tokens of a completion that a clip holds.
fn clipped(
    loss: &PolicyLoss<f32>,
    policy_log_probs: &[f32],
    old_log_probs: &[f32],
    advantages: &[f32],
    is_anchor: bool,
    objective: &Objective<f32>,
) -> usize {
    let ref_log_probs = &[];
    let tokens =
        CompletionTokens { policy_log_probs, old_log_probs, ref_log_probs, advantages, is_anchor };
    clipped_tokens(loss, tokens, objective)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use recast_burn::DeviceKind;
    use recast_core::Signal;

    use super::*;
    use crate::catalogue::SidTable;

    #[test]
    fn numbers_of_parts_stand_level_after_level_like_those_of_all_groups_at_once() {
        let sids = SidTable::new(vec![4; 2], vec![0, 1, 1, 2, 2, 3, 3, 0]).unwrap();
        let trie = Trie::new(&sids);
        let leaves: Vec<Node> = (0..4).map(|item| trie.walk(sids.sid(item)).unwrap()).collect();
        let groups: [(&[u32], &[Node]); 3] =
            [(&[1, 2], &leaves[..2]), (&[3], &leaves[2..3]), (&[4], &leaves[1..])];
        let device = DeviceKind::Cpu.device();
        let replicas = Replicas::new(vec![device.clone()]);
        let found = |micro_batch_tokens, groups_per_minibatch| {
            let update = Update {
                trie: &trie,
                layout: Layout::Packed,
                micro_batch_tokens,
                groups_per_minibatch,
                loss: Signal::grpo().loss(),
                objective: Objective::default(),
                replicas: &replicas,
            };
            let parts = RefCell::new(Vec::new());
            let numbers = update.in_parts(&groups, 2, |groups| {
                parts.borrow_mut().push(groups.len());
                let leaves: Vec<Node> =
                    groups.iter().flat_map(|(_, leaves)| leaves.to_vec()).collect();
                let mut codes = Vec::new();
                for level in 1..=2 {
                    let of_level = leaves.iter().map(|&leaf| trie.code(trie.path(leaf)[level]));
                    codes.extend(of_level.map(f32::from));
                }
                Tensor::from_data(&codes[..], &device)
            });
            (parts.into_inner(), numbers.into_data().try_into_vec::<f32>().unwrap())
        };
        let expected = [0_u8, 1, 2, 1, 2, 3, 1, 2, 3, 2, 3, 0].map(f32::from).to_vec();
        assert_eq!(found(0, 3), (vec![3], expected.clone()));
        assert_eq!(found(0, 2), (vec![2, 1], expected.clone()));
        // the first group has 4 tokens, the second 2, the third 4
        assert_eq!(found(6, 3), (vec![2, 1], expected.clone()));
        assert_eq!(found(1, 3), (vec![1; 3], expected));
    }

    #[test]
    fn log_probs_of_completions_are_summed_by_the_sign_of_their_advantages() {
        let sids = SidTable::new(vec![4; 2], vec![0, 1, 1, 2, 2, 3]).unwrap();
        let trie = Trie::new(&sids);
        let replicas = Replicas::new(vec![DeviceKind::Cpu.device()]);
        let update = Update {
            trie: &trie,
            layout: Layout::Packed,
            micro_batch_tokens: 0,
            groups_per_minibatch: 1,
            loss: Signal::grpo().loss(),
            objective: Objective::default(),
            replicas: &replicas,
        };
        let group = KeptGroup {
            prompt: vec![1],
            leaves: (0..3).map(|item| trie.walk(sids.sid(item)).unwrap()).collect(),
            token_advantages: vec![2.0, -1.0, -1.0, 0.5, 1.0, -1.0],
            anchor: None,
            divisor: 3,
        };
        // level 0 of the three completions, then level 1; old and reference log-probs are equal
        let policy = [-1.0, -2.0, -4.0, -8.0, -16.0, -32.0];
        let mut sums = TokenSums::default();
        update.count_part(&[group], &[policy; 3].concat(), 2, &mut sums);
        assert_eq!((sums.positives, sums.negatives), ((-9.0, 1), (-18.0, 1)));
    }
}
