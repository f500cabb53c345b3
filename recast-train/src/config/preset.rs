//! Settings to start from, and the rule that chooses among them.

use crate::config::{Config, DataConfig};
use crate::data::{Format, SplitKind};
use crate::model::{Input, ModelConfig};
use crate::tokenizer::{Codes, TokenizerOptions};
use crate::train::Normalise;

/// Settings to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Preset {
    /// The synthetic catalogue in minutes: the default without a log.
    Demo,
    /// A small synthetic catalogue in seconds: for continuous integration.
    Smoke,
    /// Real data of some ten thousand users and items: the default with a log.
    Standard,
    /// A folder of MiniOneRec, by its own split: the default with such a folder.
    MiniOneRec,
}

/// A decoder's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModelPreset {
    /// Width 64, 2 layers.
    Tiny,
    /// Width 128, 4 layers.
    Small,
    /// Width 256, 6 layers.
    Base,
    /// Width 768, 12 layers: for a GPU.
    Large,
}

impl ModelPreset {
    /// All sizes, the smallest first.
    pub(crate) const ALL: [Self; 4] = [Self::Tiny, Self::Small, Self::Base, Self::Large];

    /// The name for people and machines.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Base => "base",
            Self::Large => "large",
        }
    }

    /// The decoder's shape.
    #[must_use]
    pub(crate) fn config(self) -> ModelConfig {
        match self {
            Self::Tiny => ModelConfig::tiny(),
            Self::Small => ModelConfig::small(),
            Self::Base => ModelConfig::base(),
            Self::Large => ModelConfig::large(),
        }
    }
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 4] = [Self::Demo, Self::Smoke, Self::Standard, Self::MiniOneRec];

    /// The name for people and machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Smoke => "smoke",
            Self::Standard => "standard",
            Self::MiniOneRec => "mini_one_rec",
        }
    }

    /// The default preset for these data, however a user named them. Without a log it is
    /// [`Preset::Demo`]; for a folder as MiniOneRec publishes it, [`Preset::MiniOneRec`]; else
    /// [`Preset::Standard`].
    ///
    /// The rule looks at the names of a folder's files, and opens none.
    #[must_use]
    pub fn of(data: &DataConfig) -> Self {
        match (&data.interactions, data.log_format()) {
            (None, _) => Self::Demo,
            (Some(_), Some(Format::MiniOneRec)) => Self::MiniOneRec,
            (Some(_), _) => Self::Standard,
        }
    }

    /// The settings of [`Preset::of`] as the data need them.
    ///
    /// Own files for validation and test are a given split, which no k-core may break. A folder of
    /// LC-Rec keeps all items of its catalogue.
    #[must_use]
    pub(crate) fn defaults(data: &DataConfig) -> Config {
        let mut config = Self::of(data).config();
        let own_split = data.valid.is_some() || data.test.is_some();
        if own_split {
            config.data.split = SplitKind::Given;
        }
        if own_split || data.log_format() == Some(Format::LcRec) {
            (config.data.prepare.min_user, config.data.prepare.min_item) = (0, 0);
        }
        config
    }

    /// The settings.
    #[must_use]
    pub fn config(self) -> Config {
        let mut config = Config::default();
        match self {
            Self::Standard => config.read_items(),
            Self::MiniOneRec => {
                config.read_items();
                config.data.split = SplitKind::Given;
                config.data.prepare.min_user = 0;
                config.data.prepare.min_item = 0;
                config.data.max_history = 10;
            }
            Self::Demo => {
                config.data.synthetic.items = 3000;
                config.data.synthetic.companion = 0.98;
                config.tokenizer.codes = Codes::Each(64);
                config.model = ModelConfig::tiny();
                // few epochs, so that reinforcement learning can still improve the decoder
                (config.sft.epochs, config.sft.min_steps) = (4, 0);
                config.sft.batch_tokens = 1024;
                config.sft.validation_prompts = 1000;
                config.rl.steps = 200;
                config.rl.group_size = 16;
                config.rl.validation_prompts = 2000;
            }
            Self::Smoke => {
                config.data.synthetic.users = 600;
                config.data.synthetic.items = 120;
                config.tokenizer.codes = Codes::Each(16);
                config.model = ModelConfig { hidden_size: 32, head_dim: 16, ..ModelConfig::tiny() };
                config.model.intermediate_size = 96;
                (config.sft.epochs, config.sft.min_steps) = (6, 0);
                config.sft.batch_tokens = 512;
                config.rl.steps = 8;
                config.rl.prompts_per_step = 32;
                config.rl.groups_per_minibatch = 16;
                config.rl.group_size = 8;
                config.rl.evaluate_every = 4;
                config.rl.validation_prompts = 200;
                config.sft.validation_prompts = 200;
                config.evaluate.beam_width = 16;
            }
        }
        config
    }
}

impl Config {
    /// Takes the decoder of items for real data, with the training that trials on Amazon Beauty and
    /// Industrial_and_Scientific found best in validation.
    fn read_items(&mut self) {
        self.data.behaviour_dim = 64;
        self.tokenizer.codes = Codes::PerLevel(vec![1024, 256, 256]);
        self.model.input = Input::Items;
        self.model.num_hidden_layers = 1;
        self.model.dropout = 0.4;
        self.sft.epochs = 16;
        self.sft.batch_tokens = 896;
        self.sft.normalise = Normalise::Trie;
        self.sft.item_loss = 0.1;
        self.sft.learning_rate = 4e-3;
        self.sft.validation_prompts = 4000;
    }

    /// These settings with those of [`Config::default`] wherever [`Config::read_items`] has others.
    #[must_use]
    pub(super) fn reading_codes(self) -> Self {
        let Self { data, tokenizer, model, sft, .. } = Self::default();
        Self {
            data: DataConfig { behaviour_dim: data.behaviour_dim, ..self.data },
            tokenizer: TokenizerOptions { codes: tokenizer.codes, ..self.tokenizer },
            model,
            sft,
            ..self
        }
    }
}
