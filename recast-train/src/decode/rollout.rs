//! Ways of generating a group: their settings, checked once.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The way to generate the completions of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RolloutKind {
    /// Beam search: the most probable prefixes of each level, without chance.
    #[default]
    Beam,
    /// Independent draws: a group may hold a completion several times.
    Sample,
    /// Gumbel top-k: draws without replacement, so that completions are distinct.
    Gumbel,
}

impl RolloutKind {
    /// The name in config files.
    fn key(self) -> &'static str {
        match self {
            Self::Beam => "beam",
            Self::Sample => "sample",
            Self::Gumbel => "gumbel",
        }
    }
}

/// The settings of a rollout, as a config file has them.
///
/// A setting that the kind does not read must stand at its default: [`RolloutConfig::rollout`]
/// refuses others, so that none is ignored in silence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RolloutConfig {
    /// The way to generate completions.
    pub rollout: RolloutKind,
    /// The divisor of the logits, above 0; for `sample` and `gumbel`.
    pub temperature: f64,
    /// The number of codes of each level that `sample` draws from, the most probable ones; 0 means
    /// all.
    pub top_k: usize,
    /// The probability, in (0, 1], of the codes of each level that `sample` draws from. 1 means all
    /// codes.
    pub top_p: f64,
}

impl Default for RolloutConfig {
    fn default() -> Self {
        Self { rollout: RolloutKind::Beam, temperature: 1.0, top_k: 0, top_p: 1.0 }
    }
}

/// A way to generate groups, with settings in range: [`RolloutConfig::rollout`] makes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rollout(pub(super) Rule);

/// The rule that extends partial completions by a level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rule {
    Beam,
    Sample(Sampling),
    Gumbel { temperature: f32 },
}

/// The distribution that each level's code is drawn from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampling {
    /// The divisor of the logits; finite and above 0.
    pub(super) temperature: f32,
    /// The number of most probable codes to keep; 0 for all codes.
    pub(super) top_k: usize,
    /// The probability to keep, in (0, 1]; 1 for all codes.
    pub(super) top_p: f32,
}

impl RolloutConfig {
    /// Checks the settings and returns the rollout.
    ///
    /// # Errors
    ///
    /// If a setting is out of its range, or set although the kind does not read it.
    pub fn rollout(&self) -> Result<Rollout> {
        let Self { rollout, temperature, top_k, top_p } = *self;
        // in the precision of the logits, in which the smallest temperatures are 0
        let divisor = temperature as f32;
        if !(divisor > 0.0 && divisor.is_finite()) {
            let problem = format!("{temperature} divides no logit");
            let hint = "give a finite number above 0; 1 leaves the policy as it is";
            return Err(Error::setting("rl.temperature", problem, hint));
        }
        let mass = top_p as f32;
        if !(mass > 0.0 && mass <= 1.0) {
            let problem = format!("{top_p} is no probability to keep");
            let hint = "give a number above 0 and at most 1; 1 keeps all codes";
            return Err(Error::setting("rl.top_p", problem, hint));
        }
        #[expect(clippy::float_cmp, reason = "the defaults themselves, which are never computed")]
        let (heated, nucleus) = (temperature != 1.0, top_p != 1.0);
        let (beam, sample) = (rollout == RolloutKind::Beam, rollout == RolloutKind::Sample);
        for (key, value, has_no_effect) in [
            ("rl.temperature", temperature.to_string(), heated && beam),
            ("rl.top_k", top_k.to_string(), top_k > 0 && !sample),
            ("rl.top_p", top_p.to_string(), nucleus && !sample),
        ] {
            if has_no_effect {
                let problem = format!("{value} has no effect on rl.rollout = '{}'", rollout.key());
                return Err(Error::setting(key, problem, "leave it out, or take 'sample'"));
            }
        }
        Ok(Rollout(match rollout {
            RolloutKind::Beam => Rule::Beam,
            RolloutKind::Sample => {
                Rule::Sample(Sampling { temperature: divisor, top_k, top_p: mass })
            }
            RolloutKind::Gumbel => Rule::Gumbel { temperature: divisor },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(config: &str) -> String {
        let config: RolloutConfig = toml::from_str(config).unwrap();
        config.rollout().unwrap_err().to_string()
    }

    #[test]
    fn a_temperature_must_be_finite_and_above_zero() {
        // the last value is 0 in the precision of the logits
        for value in ["0.0", "-1.0", "inf", "nan", "1e-60"] {
            let message = refusal(&format!("rollout = 'sample'\ntemperature = {value}"));
            assert!(message.contains("config key 'rl.temperature'"), "{message}");
            assert!(message.contains("divides no logit; give a finite number above 0"));
        }
        assert!(refusal("rollout = 'gumbel'\ntemperature = -0.5").contains("-0.5 divides"));
    }

    #[test]
    fn a_probability_to_keep_must_be_above_zero_and_at_most_one() {
        for value in ["0.0", "-0.1", "1.5", "inf", "nan"] {
            let message = refusal(&format!("rollout = 'sample'\ntop_p = {value}"));
            assert!(message.contains("config key 'rl.top_p'"), "{message}");
            assert!(message.contains("above 0 and at most 1"), "{message}");
        }
    }

    #[test]
    fn a_setting_without_effect_is_refused() {
        for (config, key) in [
            ("temperature = 0.7", "rl.temperature"),
            ("top_k = 5", "rl.top_k"),
            ("top_p = 0.9", "rl.top_p"),
            ("rollout = 'gumbel'\ntop_k = 5", "rl.top_k"),
            ("rollout = 'gumbel'\ntop_p = 0.9", "rl.top_p"),
        ] {
            let message = refusal(config);
            assert!(message.contains(key) && message.contains("has no effect"), "{message}");
        }
    }

    #[test]
    fn settings_in_range_are_taken_as_they_are() {
        let rule = |config| {
            let config: RolloutConfig = toml::from_str(config).unwrap();
            config.rollout().unwrap().0
        };
        assert_eq!(rule(""), Rule::Beam);
        let sampling = Sampling { temperature: 0.5, top_k: 3, top_p: 0.25 };
        let config = "rollout = 'sample'\ntemperature = 0.5\ntop_k = 3\ntop_p = 0.25";
        assert_eq!(rule(config), Rule::Sample(sampling));
        let config = "rollout = 'gumbel'\ntemperature = 2.0";
        assert_eq!(rule(config), Rule::Gumbel { temperature: 2.0 });
    }

    #[test]
    fn a_kind_is_called_in_files_what_messages_call_it() {
        for kind in [RolloutKind::Beam, RolloutKind::Sample, RolloutKind::Gumbel] {
            let config: RolloutConfig =
                toml::from_str(&format!("rollout = '{}'", kind.key())).unwrap();
            assert_eq!(config.rollout, kind);
        }
    }
}
