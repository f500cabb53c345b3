//! The mean of each named reward over the groups of a step or of a whole training.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The mean of each named reward over groups as generated: before weights and repair.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RewardMeans {
    groups: u64,
    sums: BTreeMap<String, f64>,
}

impl RewardMeans {
    /// Counts a group by its mean of each named reward.
    pub(crate) fn count(&mut self, names: impl Iterator<Item = String>, means: &[f32]) {
        self.groups += 1;
        for (name, &mean) in names.zip(means) {
            *self.sums.entry(name).or_default() += f64::from(mean);
        }
    }

    /// Adds the groups of other means.
    pub(crate) fn add(&mut self, other: &Self) {
        self.groups += other.groups;
        for (name, sum) in &other.sums {
            *self.sums.entry(name.clone()).or_default() += sum;
        }
    }

    /// The mean of each named reward, by name; empty without groups.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<String, f64> {
        self.sums.iter().map(|(name, sum)| (name.clone(), sum / self.groups as f64)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_over_all_groups_of_all_steps() {
        let names = || ["hit", "prefix"].map(str::to_owned).into_iter();
        let (mut first, mut second) = (RewardMeans::default(), RewardMeans::default());
        first.count(names(), &[1.0, 0.5]);
        second.count(names(), &[0.0, 0.5]);
        second.count(names(), &[0.5, 0.5]);
        first.add(&second);
        let expected = [("hit".to_owned(), 0.5), ("prefix".to_owned(), 0.5)];
        assert_eq!(first.by_name(), BTreeMap::from(expected));
        assert!(RewardMeans::default().by_name().is_empty());
    }
}
