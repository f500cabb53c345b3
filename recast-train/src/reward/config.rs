//! The weights of rewards.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Reward;
use crate::data::Items;
use crate::error::{Error, Result};

/// The largest weight: sums of squares over a group stay finite in f32.
const LARGEST_WEIGHT: f64 = 1e6;

/// The weight of each named reward in the weighted sum; 0 leaves a reward out.
///
/// The default is the hit alone with weight 1: the binary task reward.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RewardsConfig {
    /// Weight of the hit.
    pub hit: f64,
    /// Weight of ReRe's ranking penalty.
    pub ranking: f64,
    /// Weight of the prefix credit.
    pub prefix: f64,
    /// Weight of the distance to the other completions of the group.
    pub diversity: f64,
    /// Weight of the popularity in the training part.
    pub popularity: f64,
    /// Weight of each per-item value, by its key in the items file.
    pub value: BTreeMap<String, f64>,
}

impl Default for RewardsConfig {
    fn default() -> Self {
        Self {
            hit: 1.0,
            ranking: 0.0,
            prefix: 0.0,
            diversity: 0.0,
            popularity: 0.0,
            value: BTreeMap::new(),
        }
    }
}

impl RewardsConfig {
    /// Checks the weights.
    ///
    /// # Errors
    ///
    /// If a weight is not a number within -1e6 and 1e6, or all weights are 0.
    pub fn check(&self) -> Result<()> {
        for (reward, weight) in self.all() {
            if !(-LARGEST_WEIGHT..=LARGEST_WEIGHT).contains(&weight) {
                let problem =
                    format!("weight {weight} is not within -{LARGEST_WEIGHT} and {LARGEST_WEIGHT}");
                let hint = "weights near 1 are usual, 0 leaves the reward out";
                return Err(Error::setting(reward.setting(), problem, hint));
            }
        }
        if self.terms().next().is_none() {
            let problem = "no reward has a weight";
            return Err(Error::setting("rl.rewards", problem, "hit = 1.0 is usual"));
        }
        Ok(())
    }

    /// Checks, before any training, that the items have every number that a reward reads.
    ///
    /// # Errors
    ///
    /// If a key of `value` is not in the items file, or some item has no number there.
    pub fn check_items(&self, items: &Items) -> Result<()> {
        self.terms().try_for_each(|(reward, _)| match &reward {
            Reward::Value(_) => reward.numbers(items).map(drop),
            Reward::Hit
            | Reward::Ranking
            | Reward::Prefix
            | Reward::Diversity
            | Reward::Popularity => Ok(()),
        })
    }

    /// The rewards with a nonzero weight, with their weights, in the order of the sum.
    pub(super) fn terms(&self) -> impl Iterator<Item = (Reward, f32)> {
        // an f32 may be 0 while the f64 is not
        self.all().map(|(reward, weight)| (reward, weight as f32)).filter(|term| term.1 != 0.0)
    }

    /// Every reward with its weight, in the order of the sum.
    fn all(&self) -> impl Iterator<Item = (Reward, f64)> {
        let named = [
            (Reward::Hit, self.hit),
            (Reward::Ranking, self.ranking),
            (Reward::Prefix, self.prefix),
            (Reward::Diversity, self.diversity),
            (Reward::Popularity, self.popularity),
        ];
        let values = self.value.iter().map(|(key, &weight)| (Reward::Value(key.clone()), weight));
        named.into_iter().chain(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_hit_alone() {
        let terms: Vec<_> = RewardsConfig::default().terms().collect();
        assert_eq!(terms, [(Reward::Hit, 1.0)]);
        RewardsConfig::default().check().unwrap();
    }

    #[test]
    fn a_weight_that_is_no_number_is_refused_by_its_key() {
        let mut config = RewardsConfig { prefix: f64::NAN, ..RewardsConfig::default() };
        let message = config.check().unwrap_err().to_string();
        assert!(message.starts_with("config key 'rl.rewards.prefix': weight NaN"), "{message}");
        config.prefix = 1e7;
        assert!(config.check().is_err());
        config.prefix = 0.0;
        config.value.insert("price".to_owned(), f64::INFINITY);
        let message = config.check().unwrap_err().to_string();
        assert!(message.contains("'rl.rewards.value.price': weight inf"), "{message}");
    }

    #[test]
    fn no_weight_at_all_is_refused() {
        let config = RewardsConfig { hit: 0.0, ..RewardsConfig::default() };
        let message = config.check().unwrap_err().to_string();
        assert_eq!(message, "config key 'rl.rewards': no reward has a weight; hit = 1.0 is usual");
    }

    #[test]
    fn an_unknown_reward_is_named_with_those_that_exist() {
        let message = toml::from_str::<RewardsConfig>("novelty = 1.0").unwrap_err().to_string();
        assert!(message.contains("unknown field `novelty`"), "{message}");
        for known in ["`hit`", "`ranking`", "`prefix`", "`diversity`", "`popularity`", "`value`"] {
            assert!(message.contains(known), "{known}: {message}");
        }
    }
}
