//! The kinds of events and their fields.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::counts::{GroupCounts, PhaseSeconds};
use super::diagnosis::Diagnosis;
use super::results::{SearchCheck, SystemResult};
use super::tokenizing::TokenizerReport;
use crate::data::DataReport;

/// An event of a run; a line of `events.jsonl`.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A process begins to work in the run folder.
    Session(&'a Session),
    /// The log is read, cleaned and split.
    Prepare(&'a DataReport),
    /// Items have their semantic IDs.
    Tokenize(&'a TokenizerReport),
    /// A training phase with these estimates of memory is about to start.
    MemoryEstimate {
        /// Weights, gradients, optimiser state, and decoders that are only read.
        state_bytes: u64,
        /// One pass forward and backward.
        pass_bytes: u64,
    },
    /// Something qualifies the results of a phase: a checkpoint was damaged, or training seems to
    /// learn nothing.
    Warning {
        /// The phase, as `phases.json` names it, or the stage's folder.
        phase: &'a str,
        /// The fault and what to do.
        text: &'a str,
    },
    /// A phase ended, or was interrupted.
    Phase {
        /// The phase, as `phases.json` names it.
        phase: &'a str,
        /// Seconds of the phase in this session.
        seconds: f64,
    },
    /// An epoch of RQ-VAE's autoencoder ended.
    RqVaeEpoch(RqVaeEpoch<'a>),
    /// An epoch of supervised training ended.
    Epoch(Epoch<'a>),
    /// A decoder was judged on the validation prompts.
    Validation(Validation<'a>),
    /// A step of reinforcement learning ended.
    RlStep(RlStep<'a>),
    /// A system was judged on the test prompts.
    Test(&'a SystemResult),
    /// Beam search was compared with exact search.
    SearchCheck(&'a SearchCheck),
    /// A decoder was diagnosed level by level.
    Diagnosis(&'a Diagnosis),
}

impl Event<'_> {
    /// The name in the field `event` of `events.jsonl`; an epoch's name begins with its stage.
    #[must_use]
    pub fn kind(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Session(_) => "session",
            Self::Prepare(_) => "prepare",
            Self::Tokenize(_) => "tokenize",
            Self::MemoryEstimate { .. } => "memory_estimate",
            Self::Warning { .. } => "warning",
            Self::Phase { .. } => "phase",
            Self::RqVaeEpoch(_) => "rq_vae_epoch",
            Self::Epoch(epoch) => return Cow::Owned(format!("{}_epoch", epoch.stage)),
            Self::Validation(_) => "validation",
            Self::RlStep(_) => "rl_step",
            Self::Test(_) => "test",
            Self::SearchCheck(_) => "search_check",
            Self::Diagnosis(_) => "diagnosis",
        })
    }
}

/// The version and the machine of a process that works in a run folder: times depend on these, and
/// so does rounding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// The version of recast.
    pub version: &'static str,
    /// The operating system and the architecture.
    pub system: String,
    /// The name of the processor; `None` if the system does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
    /// The vector instructions of kernels on the CPU.
    pub vectors: &'static str,
    /// The number of CPU threads.
    pub threads: usize,
    /// The decoder's device.
    pub device: String,
    /// The memory of the device in MiB; `None` if the system does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_memory_mib: Option<u64>,
}

/// An epoch of RQ-VAE's autoencoder.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RqVaeEpoch<'a> {
    /// The epoch, from 1.
    pub epoch: usize,
    /// The mean loss of the epoch's steps.
    pub loss: f64,
    /// The mean norm of all gradients together, before clipping.
    pub gradient_norm: f64,
    /// The learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// The perplexity of each level's codes over the epoch; empty before codebooks exist.
    pub perplexity: &'a [f64],
    /// Codes of each level that the epoch's end moved onto items.
    pub reset: &'a [usize],
    /// Seconds of the epoch.
    pub seconds: f64,
}

/// An epoch of supervised training.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Epoch<'a> {
    /// The stage: `sft` or `sasrec`.
    #[serde(skip)]
    pub stage: &'a str,
    /// The epoch, from 1.
    pub epoch: usize,
    /// Optimiser steps since the first epoch.
    pub step: usize,
    /// The mean loss of the epoch's steps.
    pub loss: f64,
    /// The mean norm of all gradients together, before clipping.
    pub gradient_norm: f64,
    /// The learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// Seconds of the epoch.
    pub seconds: f64,
}

/// A decoder's metrics on the validation prompts, at item level.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Validation<'a> {
    /// The stage of supervised training, or the signal.
    pub phase: &'a str,
    /// Epochs of supervised training so far; `None` in reinforcement learning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<usize>,
    /// Steps of reinforcement learning so far; `None` in supervised training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// Share of prompts whose first prediction is a target.
    pub pass_at_1: f64,
    /// Mean share of the targets among the first 10.
    pub recall_at_10: f64,
    /// Mean normalised discounted gain of the first 10.
    pub ndcg_at_10: f64,
    /// The best Pass@1 so far; `None` in supervised training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_pass_at_1: Option<f64>,
    /// The best NDCG@10 so far; `None` in supervised training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_ndcg_at_10: Option<f64>,
    /// Completions generated so far; `None` in supervised training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated: Option<u64>,
}

/// A step of reinforcement learning.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RlStep<'a> {
    /// The signal.
    pub signal: &'a str,
    /// The step, from 1.
    pub step: usize,
    /// The mean loss of the step's optimiser steps.
    pub loss: f64,
    /// The mean norm of all gradients together, before clipping.
    pub gradient_norm: f64,
    /// Share of the tokens whose ratio was clipped.
    pub clip_fraction: f64,
    /// The mean KL penalty of a token, before its coefficient.
    pub kl: f64,
    /// The mean log-prob of trained completions whose advantages add up to more than zero, under
    /// the policy before each optimiser step; `None` without such a completion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positive_log_prob: Option<f64>,
    /// The same of trained completions whose advantages add up to less than zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative_log_prob: Option<f64>,
    /// The mean reward of the completions generated.
    pub mean_reward: f64,
    /// The learning rate of the step's last optimiser step.
    pub learning_rate: f64,
    /// Groups since the first step.
    pub groups: GroupCounts,
    /// Seconds since the first step.
    pub seconds: PhaseSeconds,
    /// The mean of each named reward, before weights and repair.
    pub rewards: &'a BTreeMap<String, f64>,
}
