//! Learning signals for reinforcement learning in generative recommendation, in plain numbers.
//!
//! A policy reads a user's history (the prompt) and writes semantic IDs (SIDs). One rollout gives a
//! *group* of G completions with binary rewards `r_i`, most of them 0. ReCast turns a group into an
//! update in two steps:
//!
//! ```text
//! repair     only if all r_i = 0: slot argmin u_i is overwritten by the anchor, a completion
//!            written from the ground truth; G does not change
//! contrast   i+ = argmax r_i                  A_{i+} = +w
//!            i- = argmax { u_i : r_i = 0 }    A_{i-} = -w
//!            every other completion leaves the batch
//! ```
//!
//! `u_i`, the structural score, says how far completion i follows a target. The score orders
//! completions and is never added to a reward. A rollout generates G completions (the *search
//! width*), the update trains on 2 (the *update width*). Other systems of the literature are the
//! same loop with another [`Signal`].
//!
//! | regime | hits K | repair | boundary pair |
//! |---|---|---|---|
//! | all-zero | 0 | one slot | after repair |
//! | single-hit | 1 | none | yes |
//! | multi-hit | 1 < K < G | none | yes |
//! | all-hit | G | none | none: skipped and counted |
//!
//! # Signals
//!
//! | signal | anchor in | kept | advantage | loss |
//! |---|---|---|---|---|
//! | [`Recast`](Signal::Recast) | all-zero groups | `i+`, `i-` | `+w`, `-w` | token ratio |
//! | [`Grpo`](Signal::Grpo) | none | all G | `(r - mean) / (std + epsilon)` | token ratio |
//! | [`DrGrpo`](Signal::DrGrpo) | none | all G | `r - mean` | token ratio |
//! | [`Rloo`](Signal::Rloo) | none | all G | `r -` mean of the others | token ratio |
//! | [`Dapo`](Signal::Dapo) | none | all G of mixed groups | GRPO's | token ratio |
//! | [`Gspo`](Signal::Gspo) | none | all G | GRPO's | sequence ratio |
//! | [`PassAtK`](Signal::PassAtK) | none | the best | `r_max - r_2nd` | token ratio |
//! | [`Ngrpo`](Signal::Ngrpo) | none | all G | GRPO's, with a virtual hit | token ratio |
//! | [`RlZvp`](Signal::RlZvp) | none | all G | GRPO's, or by token entropy | token ratio |
//! | [`Gcpo`](Signal::Gcpo) | all-zero groups | all G | GRPO's | sequence ratio |
//! | [`Rere`](Signal::Rere) | all with `add_gt` | all G | GRPO's over hit and rank | token ratio |
//! | [`Luffy`](Signal::Luffy) | every group | all G | `r - mean` | token ratio, anchor's shaped |
//! | [`Dpo`](Signal::Dpo) | all-zero groups | `i+`, hardest misses | `+1`, `-1` | preference |
//! | [`Cispo`](Signal::Cispo) | none | all G | GRPO's | constant clipped ratio |
//! | [`Sapo`](Signal::Sapo) | none | all G | GRPO's | smooth gate of the ratio |
//! | [`Gmpo`](Signal::Gmpo) | none | all G | GRPO's | geometric mean of ratios |
//! | [REINFORCE++](Signal::ReinforcePlusPlus) | none | all G | `r - mean`, by batch | token ratio |
//! | [`Opo`](Signal::Opo) | none | all G | `r -` mean weighted by length | token ratio |
//!
//! GRPO's std may be that of the [batch](signal::RewardScale), REINFORCE++ standardises over the
//! tokens of a step: see [`BatchScale`](advantage::BatchScale).
//!
//! [`Recast`](signal::Recast) has the paper's method and its ablation in one configuration. Its
//! options are the repair policy (always, never, gated, confident) and the anchor's target and
//! ratio. Others are the positive alone where a group has no negative, and the normaliser. Overlong
//! shaping (a penalty on long completions, as in DAPO) is left out: the completions of a catalogue
//! are equally long.
//!
//! # From rewards to gradients
//!
//! Rewards ([`reward`]) make a checked [`Group`]. The [`Signal`] makes a [`Selection`] and names
//! its [`Loss`](objective::Loss); the [`objective`] makes value and gradient. Finally [`metrics`]
//! judge the result. A [`batch`] is many groups laid out flat, in one call. A [`trie`] holds the
//! legal completions of a catalogue. Every function is generic over [`Real`]: `f32`, `f64`, half
//! precision, dual numbers. Nothing allocates; results go into the caller's slices.
//!
//! ```
//! use recast_core::objective::{GroupTokens, Objective, group_loss};
//! use recast_core::{Group, Outcome, Signal};
//!
//! let signal = Signal::<f64>::recast();
//! let old_log_probs = [-1.0, -2.0, -3.0, -4.0];
//!
//! // Nothing was hit. The least informative slot is replaced by the anchor: reward 1, score 1.
//! let (mut rewards, mut scores) = ([0.0; 4], [0.0, 0.1, 0.01, 0.0]);
//! let slot = signal.repair(Group::new(&rewards, &scores, Some(&old_log_probs))?);
//! assert_eq!(slot, Some(3));
//! (rewards[3], scores[3]) = (1.0, 1.0);
//!
//! // The anchor against the hardest miss. Two of four completions are trained on.
//! let repaired = Group::new(&rewards, &scores, Some(&old_log_probs))?;
//! let (mut kept, mut advantages) = ([0; 4], [0.0; 4]);
//! let Outcome::Trained(selection) = signal.select(repaired, &mut kept, &mut advantages) else {
//!     unreachable!("the group is mixed");
//! };
//! assert_eq!(selection.kept, [1, 3]);
//! assert_eq!(selection.advantages, [-1.0, 1.0]);
//!
//! // The loss that belongs to the signal, on the tokens of the kept: one each, and the second is
//! // the anchor. All three log-probabilities are equal before the first step.
//! let log_probs = [-2.0, -6.0];
//! let tokens = GroupTokens {
//!     offsets: &[0, 1, 2],
//!     policy_log_probs: &log_probs,
//!     old_log_probs: &log_probs,
//!     ref_log_probs: &log_probs,
//!     advantages: selection.advantages,
//!     anchor: Some(1),
//!     divisor: selection.divisor,
//! };
//! let mut gradients = [0.0; 2];
//! let loss = group_loss(&signal.loss(), tokens, &Objective::default(), &mut gradients);
//! assert_eq!((loss, gradients), (0.0, [0.5, -0.5]));
//! # Ok::<(), recast_core::GroupError>(())
//! ```
//!
//! # Features
//!
//! `rayon`: batches in parallel, with equal results. Without it the crate needs neither std nor an
//! allocator.
//!
//! # Letters
//!
//! B counts prompts, G completions in a group, S tokens, L levels of a SID, C codes of a level. V
//! is the vocabulary, D the width of the model, K the number of hits in a group. Log-probabilities
//! are in nats.
//!
//! # Ties
//!
//! Structural scores take few values, so ties are the rule. Every choice is deterministic:
//!
//! | choice | order |
//! |---|---|
//! | strongest positive | max r, max u, max old log-prob, lowest index |
//! | hardest negative | max u, max old log-prob, lowest index |
//! | repair slot | min u, min old log-prob, highest index |
//! | closest target | max mean prefix credit, lowest index |
//!
//! Scores and mean credits are exact, so that rounding neither makes nor breaks a tie.
//!
//! Without old log-probs generation order stands in: beams come sorted, the most probable first.
//!
//! # Grades
//!
//! ReCast has no public code. Each statement about ReCast carries a grade. \[paper\] stands for the
//! paper or for two independent accounts of it, \[note\] for one account only, \[ours\] for our
//! decision.
//!
//! # Source
//!
//! "ReCast: Recasting Learning Signals for Reinforcement Learning in Generative Recommendation",
//! Zhang et al., <https://arxiv.org/abs/2604.22169>.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod advantage;
pub mod anchor;
pub mod batch;
pub mod boundary;
pub mod duplicate;
pub mod entropy;
pub mod group;
pub mod metrics;
pub mod objective;
mod real;
pub mod repair;
pub mod reward;
mod shown;
pub mod signal;
#[cfg(test)]
#[expect(dead_code, reason = "one table for unit tests and properties, each uses its rows")]
mod tolerance;
pub mod trie;

pub use crate::group::{Group, GroupError, Regime};
pub use crate::real::Real;
#[doc(hidden)]
pub use crate::shown::{Shown, Word};
pub use crate::signal::{Outcome, Selection, Signal, Skip};
