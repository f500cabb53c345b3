//! The decoder's shape.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, check_most};

/// The tokens of a prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Every code of an item is a token: the layout that pretrained decoders need.
    #[default]
    Codes,
    /// Every item is a token.
    Items,
}

/// The sizes of a catalogue that a decoder's tables have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CatalogueShape<'a> {
    /// The codes of each level.
    pub(crate) codes_per_level: &'a [usize],
    /// Items.
    pub(crate) items: usize,
    /// The width of an item's content.
    pub(crate) content: usize,
}

/// The shape of a decoder, with the keys of a Hugging Face `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelConfig {
    /// Width `D` of the hidden states.
    pub hidden_size: usize,
    /// Decoder layers.
    pub num_hidden_layers: usize,
    /// Query heads `H`.
    pub num_attention_heads: usize,
    /// Key and value heads; each serves `H / num_key_value_heads` query heads.
    pub num_key_value_heads: usize,
    /// Width of one head; even, for the rotary embedding.
    pub head_dim: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// The number added to the mean square in each normalisation.
    pub rms_norm_eps: f64,
    /// Base of the rotary embedding's frequencies.
    pub rope_theta: f64,
    /// Whether the head's weights are the embeddings.
    pub tie_word_embeddings: bool,
    /// The tokens of a prompt.
    pub input: Input,
    /// Blocks of the head at each level, where the tokens are items.
    pub head_blocks: usize,
    /// Whether an item's vector has a projection of its content, where the tokens are items.
    pub content: bool,
    /// Share of the residual branches' and embeddings' elements dropped in supervised training.
    pub dropout: f64,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self::small()
    }
}

impl ModelConfig {
    /// A shape of about 0.1 million weights beside the embeddings: seconds on a CPU.
    #[must_use]
    pub fn tiny() -> Self {
        Self::of_width(64, 2, 2)
    }

    /// A shape of about 0.9 million weights beside the embeddings: minutes on a CPU.
    #[must_use]
    pub fn small() -> Self {
        Self::of_width(128, 4, 4)
    }

    /// A shape of about 5 million weights beside the embeddings: hours on a CPU.
    #[must_use]
    pub fn base() -> Self {
        Self::of_width(256, 6, 8)
    }

    /// A shape of about 85 million weights beside the embeddings: for a GPU.
    #[must_use]
    pub fn large() -> Self {
        Self::of_width(768, 12, 12)
    }

    fn of_width(hidden_size: usize, num_hidden_layers: usize, heads: usize) -> Self {
        Self {
            hidden_size,
            num_hidden_layers,
            num_attention_heads: heads,
            num_key_value_heads: heads / 2,
            head_dim: hidden_size / heads,
            intermediate_size: hidden_size * 3,
            rms_norm_eps: 1e-6,
            rope_theta: 10_000.0,
            tie_word_embeddings: false,
            input: Input::Codes,
            head_blocks: 2,
            content: true,
            dropout: 0.1,
        }
    }

    /// This shape with the widths, the layers and the heads of another.
    #[must_use]
    pub(crate) fn of_size(self, size: &Self) -> Self {
        Self {
            hidden_size: size.hidden_size,
            num_hidden_layers: size.num_hidden_layers,
            num_attention_heads: size.num_attention_heads,
            num_key_value_heads: size.num_key_value_heads,
            head_dim: size.head_dim,
            intermediate_size: size.intermediate_size,
            ..self
        }
    }

    /// The number of weights of a decoder of this shape over a catalogue.
    #[must_use]
    pub(crate) fn weights(&self, catalogue: CatalogueShape<'_>) -> usize {
        let (width, head) = (self.hidden_size, self.head_dim);
        let queries = self.num_attention_heads * head;
        let keys = self.num_key_value_heads * head;
        let mlp = 3 * width * self.intermediate_size;
        let layer = width * (2 * queries + 2 * keys) + mlp + 2 * width + 2 * head;
        let tables = if self.tie_word_embeddings { 1 } else { 2 };
        let vocabulary: usize = catalogue.codes_per_level.iter().sum();
        let decoder = self.num_hidden_layers * layer + tables * vocabulary * width + width;
        let of_items = match self.input {
            Input::Codes => 0,
            Input::Items => {
                let level = self.head_blocks * (mlp + width) + width;
                let content = if self.content { catalogue.content } else { 0 };
                let embeddings = (catalogue.items + content + vocabulary) * width;
                catalogue.codes_per_level.len() * level + embeddings
            }
        };
        decoder + of_items
    }

    /// The tokens that a prompt has for each item of `levels` codes.
    #[must_use]
    pub(crate) fn tokens_per_item(&self, levels: usize) -> usize {
        match self.input {
            Input::Codes => levels,
            Input::Items => 1,
        }
    }

    /// Checks the numbers that the decoder relies on; `section` is the place of the settings, for
    /// messages.
    ///
    /// # Errors
    ///
    /// If a size is zero, the heads do not share evenly, a head is of odd width, or the dropout is
    /// not in `[0, 1)`.
    pub(crate) fn check(&self, section: &str) -> Result<()> {
        const LAYERS: &str = "num_hidden_layers";
        let key = |name: &str| format!("{section}.{name}");
        let sizes = [
            ("hidden_size", self.hidden_size),
            (LAYERS, self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("head_dim", self.head_dim),
            ("intermediate_size", self.intermediate_size),
        ];
        for (name, size) in sizes {
            if size == 0 {
                return Err(Error::setting(key(name), "is 0", "give at least 1"));
            }
        }
        let widest = |(name, size): (&'static str, usize)| {
            (name, size, if name == LAYERS { 1 << 12 } else { 1 << 16 })
        };
        check_most(section, &sizes.map(widest))?;
        check_most(section, &[("head_blocks", self.head_blocks, 1 << 12)])?;
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return Err(Error::setting(
                key("num_key_value_heads"),
                format!(
                    "{} does not divide {} query heads",
                    self.num_key_value_heads, self.num_attention_heads
                ),
                "give a divisor of num_attention_heads",
            ));
        }
        if !self.head_dim.is_multiple_of(2) {
            let problem = format!("{} is odd", self.head_dim);
            return Err(Error::setting(key("head_dim"), problem, "give an even width"));
        }
        if self.input == Input::Codes && self.head_blocks != Self::default().head_blocks {
            let problem = format!("{} has no effect on tokens of codes", self.head_blocks);
            return Err(Error::setting(key("head_blocks"), problem, "leave it out, or read items"));
        }
        if !(self.dropout >= 0.0 && self.dropout < 1.0) {
            let problem = format!("{} is not in [0, 1)", self.dropout);
            return Err(Error::setting(key("dropout"), problem, "0.1 is usual"));
        }
        for (name, value, usual) in [
            ("rms_norm_eps", self.rms_norm_eps, "1e-6 is usual"),
            ("rope_theta", self.rope_theta, "10000 is usual"),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::setting(key(name), format!("{value} is not above 0"), usual));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_passes_its_own_check() {
        for config in
            [ModelConfig::tiny(), ModelConfig::small(), ModelConfig::base(), ModelConfig::large()]
        {
            config.check("model").unwrap();
        }
    }

    #[test]
    fn heads_that_do_not_share_evenly_are_refused() {
        let config = ModelConfig { num_key_value_heads: 3, ..ModelConfig::small() };
        assert!(config.check("model").unwrap_err().to_string().contains("does not divide 4"));
    }

    #[test]
    fn a_dropout_of_nan_is_refused() {
        let config = ModelConfig { dropout: f64::NAN, ..ModelConfig::small() };
        assert!(config.check("model").is_err());
    }
}
