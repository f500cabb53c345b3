//! A made-up catalogue and its users, whose best possible recommender is known.

mod catalogue;
mod taste;
mod words;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Example, Ids, Interactions, Items};
use crate::error::{Error, Result};
use crate::random::{Purpose, stream};
use catalogue::Catalogue;
use taste::Taste;

/// The size and habits of a synthetic shop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SyntheticConfig {
    /// The number of users.
    pub users: usize,
    /// The number of items; a multiple of departments times categories.
    pub items: usize,
    /// The number of departments.
    pub departments: usize,
    /// The number of categories of each department.
    pub categories: usize,
    /// The number of moods of departments; more moods make the last item say less about the next.
    pub moods: usize,
    /// Probability that a user's taste stays in its category from one item to the next.
    pub stay: f64,
    /// Probability that the taste moves to another category of its department; the remaining
    /// probability jumps anywhere.
    pub sibling: f64,
    /// Probability that the next item is the companion of the last one in the taste's mood.
    pub companion: f64,
    /// Exponent of Zipf's law for items of a category.
    pub zipf: f64,
    /// Items of the shortest history.
    pub min_length: usize,
    /// Items of the longest history.
    pub max_length: usize,
}

impl Default for SyntheticConfig {
    fn default() -> Self {
        Self {
            users: 4000,
            items: 600,
            departments: 6,
            categories: 5,
            moods: 3,
            stay: 0.9,
            sibling: 0.07,
            companion: 0.45,
            zipf: 1.0,
            min_length: 6,
            max_length: 20,
        }
    }
}

impl SyntheticConfig {
    /// Checks that the settings describe a shop.
    ///
    /// # Errors
    ///
    /// If a count is 0, the items cannot be shared out evenly, or there are not more categories
    /// than moods. If a probability is out of range, or the shortest history is longer than the
    /// longest.
    pub(crate) fn check(&self) -> Result<()> {
        let fault = |key, problem, hint: &str| Err(Error::setting(key, problem, hint));
        for (key, value) in [
            ("data.synthetic.users", self.users),
            ("data.synthetic.items", self.items),
            ("data.synthetic.departments", self.departments),
            ("data.synthetic.categories", self.categories),
            ("data.synthetic.moods", self.moods),
            ("data.synthetic.min_length", self.min_length),
        ] {
            if value == 0 || u32::try_from(value).is_err() {
                return fault(
                    key,
                    format!("{value} is not at least 1 and below 2^32"),
                    "try the default",
                );
            }
        }
        let n_categories = self.departments.saturating_mul(self.categories);
        if !self.items.is_multiple_of(n_categories) {
            return fault(
                "data.synthetic.items",
                format!(
                    "{} items cannot be shared evenly among {} departments of {} categories",
                    self.items, self.departments, self.categories
                ),
                &format!("give a multiple of {n_categories}"),
            );
        }
        if self.moods >= n_categories {
            return fault(
                "data.synthetic.moods",
                format!("{} moods need more than {n_categories} categories in all", self.moods),
                "lower it",
            );
        }
        for (key, value) in [
            ("data.synthetic.stay", self.stay),
            ("data.synthetic.sibling", self.sibling),
            ("data.synthetic.companion", self.companion),
        ] {
            if !(0.0..1.0).contains(&value) {
                return fault(
                    key,
                    format!("{value} is not at least 0 and below 1"),
                    "try the default",
                );
            }
        }
        if self.stay + self.sibling >= 1.0 {
            return fault(
                "data.synthetic.stay",
                format!("{} and sibling {} leave no chance to jump", self.stay, self.sibling),
                "make their sum less than 1",
            );
        }
        if !(self.zipf >= 0.0 && self.zipf <= 10.0) {
            return fault(
                "data.synthetic.zipf",
                format!("{} is not from 0 to 10", self.zipf),
                "try the default",
            );
        }
        if self.min_length > self.max_length {
            return fault(
                "data.synthetic.max_length",
                format!("{} is less than min_length {}", self.max_length, self.min_length),
                "raise it",
            );
        }
        Ok(())
    }
}

/// A synthetic shop with the histories of its users.
///
/// A user has a hidden taste, a category that drifts. The next item is the companion of the
/// last one, in the mood of the taste's department, or comes from the taste's category by
/// popularity. The last item alone leaves the mood open, so a recommender has to read the history.
/// The model is known, and so is the best possible recommender: [`Synthetic::oracle_ranking`].
///
/// Items are numbered in catalogue order and their ids are `1`, `2`, ..., so that
/// [`Ids::item_order`] keeps catalogue order. If cleaning removes items, `Sequences::item_rows`
/// holds their catalogue indices.
#[derive(Debug, Clone)]
pub(crate) struct Synthetic {
    catalogue: Catalogue,
    taste: Taste,
    histories: Vec<Vec<(u32, i64)>>,
}

/// The first second of 2024.
const OPENING: i64 = 1_704_067_200;
/// Seconds of an hour.
const HOUR: i64 = 3600;

impl Synthetic {
    /// Makes a shop and its users. Equal arguments give equal data.
    ///
    /// # Errors
    ///
    /// If the settings don't pass [`SyntheticConfig::check`].
    pub(crate) fn generate(config: &SyntheticConfig, seed: u64) -> Result<Self> {
        config.check()?;
        let catalogue = Catalogue::generate(config, &mut stream(seed, Purpose::Catalogue, 0));
        let taste = Taste::new(config);
        let histories = (1u64..)
            .take(config.users)
            .map(|user| {
                let rng = &mut stream(seed, Purpose::Catalogue, user);
                let length = rng.random_range(config.min_length..=config.max_length);
                history(&catalogue, taste, length, rng)
            })
            .collect();
        Ok(Self { catalogue, taste, histories })
    }

    /// The log, user by user; all items are in its vocabulary, in catalogue order.
    #[must_use]
    pub(crate) fn interactions(&self) -> Interactions {
        let mut interactions = Interactions { items: self.ids(), ..Interactions::default() };
        for (user, history) in (1..).zip(&self.histories) {
            let user: usize = user;
            for &(item, timestamp) in history {
                interactions.push(&user.to_string(), &id(item), timestamp);
            }
        }
        interactions
    }

    /// Titles and text, aligned to the vocabulary `ids`; rows follow the catalogue.
    #[must_use]
    pub(crate) fn items(&self, ids: &Ids) -> Items {
        let rows = (0u32..).map(id).zip(self.catalogue.texts.iter().cloned()).collect();
        Items::from_rows(rows, ids)
    }

    /// The number of items of the catalogue.
    #[must_use]
    pub(crate) fn n_items(&self) -> usize {
        self.catalogue.n_items()
    }

    /// The exact probability of each item to be next, given a history of catalogue indices.
    ///
    /// # Panics
    ///
    /// If an item of the history is not in the catalogue.
    #[must_use]
    pub(crate) fn predictive(&self, history: &[u32]) -> Vec<f64> {
        self.taste.predictive(&self.catalogue, history)
    }

    /// The `k` items most likely to be next, ties by index: no recommender has a higher expected
    /// Pass@k.
    ///
    /// # Panics
    ///
    /// If an item of the history is not in the catalogue.
    #[must_use]
    pub(crate) fn oracle_ranking(&self, history: &[u32], k: usize) -> Vec<u32> {
        let predictive = self.predictive(history);
        let mut order: Vec<u32> = (0u32..).take(predictive.len()).collect();
        order.sort_by(|left, right| {
            predictive[*right as usize].total_cmp(&predictive[*left as usize])
        });
        order.truncate(k);
        order
    }

    /// The highest expected Pass@1 any recommender can have on these histories:
    /// `mean max_j p(j | history)`.
    ///
    /// `None` without examples; the targets don't matter.
    ///
    /// # Panics
    ///
    /// If an item of a history is not in the catalogue.
    #[must_use]
    pub(crate) fn bayes_pass_at_1(&self, examples: &[Example]) -> Option<f64> {
        self.bayes_pass_at_k(examples, 1)
    }

    /// The highest expected Pass@k: the mean of the sum of the `k` largest `p(j | history)`.
    ///
    /// `None` without examples; the targets don't matter.
    ///
    /// # Panics
    ///
    /// If an item of a history is not in the catalogue.
    #[must_use]
    fn bayes_pass_at_k(&self, examples: &[Example], k: usize) -> Option<f64> {
        let best = |example: &Example| {
            let mut predictive = self.predictive(&example.history);
            predictive.sort_by(|left, right| right.total_cmp(left));
            predictive.iter().take(k).sum::<f64>()
        };
        let total: f64 = examples.iter().map(best).sum();
        (!examples.is_empty()).then(|| total / examples.len() as f64)
    }

    fn ids(&self) -> Ids {
        (0u32..).take(self.n_items()).map(id).collect()
    }
}

/// The id of an item: its place in the catalogue, from 1.
fn id(item: u32) -> String {
    (item + 1).to_string()
}

/// Draws one user's items with their times: a day one in half a year to start on, then an hour to a
/// week between items.
fn history(
    catalogue: &Catalogue,
    taste: Taste,
    length: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<(u32, i64)> {
    let mut category = rng.random_range(0..catalogue.n_categories());
    let mut time = OPENING + rng.random_range(0..180 * 24 * HOUR);
    let mut items: Vec<(u32, i64)> = Vec::with_capacity(length);
    for _ in 0..length {
        let item = match items.last() {
            Some(&(previous, _)) => {
                category = moved(catalogue, taste, category, rng);
                time += rng.random_range(HOUR..=7 * 24 * HOUR);
                if rng.random::<f64>() < taste.companion {
                    catalogue.companion(previous, catalogue.mood(category))
                } else {
                    popular(catalogue, category, rng)
                }
            }
            None => popular(catalogue, category, rng),
        };
        items.push((item, time));
    }
    items
}

/// Draws the next category of the taste.
fn moved(catalogue: &Catalogue, taste: Taste, category: usize, rng: &mut ChaCha8Rng) -> usize {
    let siblings = catalogue.categories;
    let draw = rng.random::<f64>();
    if draw < taste.stay {
        category
    } else if draw >= taste.stay + taste.sibling {
        rng.random_range(0..catalogue.n_categories())
    } else if siblings == 1 {
        category
    } else {
        let first = category - category % siblings;
        first + (category % siblings + rng.random_range(1..siblings)) % siblings
    }
}

/// Draws an item of a category by its share.
fn popular(catalogue: &Catalogue, category: usize, rng: &mut ChaCha8Rng) -> u32 {
    let first = category * catalogue.per_category;
    let shares = &catalogue.share[first..first + catalogue.per_category];
    let mut left = rng.random::<f64>();
    let slot = shares.iter().position(|share| {
        left -= share;
        left < 0.0
    });
    // Shares may sum to a hair less than 1: the last item takes the rest.
    u32::try_from(first + slot.unwrap_or(shares.len() - 1)).expect("an item index")
}

#[cfg(test)]
mod tests;
