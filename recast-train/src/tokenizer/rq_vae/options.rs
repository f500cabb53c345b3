//! The settings of RQ-VAE.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, check_most};
use crate::optim::check_rates;

/// The shape and the training of the autoencoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RqVaeOptions {
    /// The widths of the encoder's hidden layers; the decoder has them in reverse.
    pub hidden: Vec<usize>,
    /// The width of the latent vectors.
    pub latent_dim: usize,
    /// Passes over the items as a plain autoencoder, before there are codebooks.
    pub pretrain_epochs: usize,
    /// Passes over the items with codebooks.
    pub epochs: usize,
    /// Items of an optimiser step.
    pub batch_items: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps in which the rate rises.
    pub warmup: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of all gradients together.
    pub max_norm: f64,
    /// Weight of the commitment loss, which draws latent vectors to their centroids.
    pub commitment: f64,
    /// Epochs after which codes that no item took are set on items; 0 means never.
    pub reset_every: usize,
    /// The share of its codes below which a level's perplexity stops training.
    pub min_perplexity: f64,
}

impl Default for RqVaeOptions {
    fn default() -> Self {
        Self {
            hidden: vec![512, 256, 128],
            latent_dim: 32,
            pretrain_epochs: 10,
            epochs: 100,
            batch_items: 1024,
            learning_rate: 1e-3,
            warmup: 0.05,
            weight_decay: 1e-4,
            max_norm: 1.0,
            commitment: 0.25,
            reset_every: 1,
            min_perplexity: 0.1,
        }
    }
}

impl RqVaeOptions {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if a width or a count is 0, or a rate or share is out of its range.
    pub(crate) fn check(&self) -> Result<()> {
        const SECTION: &str = "tokenizer.rq_vae";
        let key = |name: &str| format!("{SECTION}.{name}");
        if self.hidden.contains(&0) {
            let problem = format!("{:?} has a layer of width 0", self.hidden);
            return Err(Error::setting(key("hidden"), problem, "give widths such as [512, 256]"));
        }
        for (name, value, usual) in [
            ("latent_dim", self.latent_dim, "32 is usual"),
            ("epochs", self.epochs, "give at least 1"),
            ("batch_items", self.batch_items, "1024 is usual"),
        ] {
            if value == 0 {
                return Err(Error::setting(key(name), "is 0", usual));
            }
        }
        let counts = [
            ("hidden", self.hidden.iter().copied().max().unwrap_or(0), 1 << 16),
            ("latent_dim", self.latent_dim, 1 << 16),
            ("pretrain_epochs", self.pretrain_epochs, 1 << 31),
            ("epochs", self.epochs, 1 << 31),
            ("batch_items", self.batch_items, 1 << 31),
        ];
        check_most(SECTION, &counts)?;
        if !(self.commitment >= 0.0 && self.commitment.is_finite()) {
            let problem = format!("{} is not 0 or above", self.commitment);
            return Err(Error::setting(key("commitment"), problem, "0.25 is usual"));
        }
        if !(0.0..=1.0).contains(&self.min_perplexity) {
            let problem = format!("{} is not in [0, 1]", self.min_perplexity);
            return Err(Error::setting(key("min_perplexity"), problem, "0.1 is usual"));
        }
        check_rates(SECTION, self.learning_rate, self.warmup, self.weight_decay, self.max_norm)
    }
}
