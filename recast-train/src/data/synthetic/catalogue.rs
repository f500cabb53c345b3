//! A made-up shop: departments, categories, items, and which item goes with which.

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::SyntheticConfig;
use super::words::{DEPARTMENTS, MATERIALS, STYLES};
use crate::data::ItemText;

/// The shop. Item `i` stands in category `i / per_category`, at slot `i % per_category`.
///
/// The items at one slot of all categories share a style, which their titles name. Companions are
/// always of one style: the title and the user's mood tell an item's companion.
#[derive(Debug, Clone)]
pub(super) struct Catalogue {
    /// Categories of each department.
    pub(super) categories: usize,
    /// Items of each category.
    pub(super) per_category: usize,
    /// Probability of each item in its category.
    pub(super) share: Vec<f64>,
    /// Category of the companion, for each mood and category.
    companion_category: Vec<Vec<usize>>,
    /// Titles and text.
    pub(super) texts: Vec<ItemText>,
}

impl Catalogue {
    /// Draws a shop; `config` has been checked.
    pub(super) fn generate(config: &SyntheticConfig, rng: &mut ChaCha8Rng) -> Self {
        let n_categories = config.departments * config.categories;
        let per_category = config.items / n_categories;
        Self {
            categories: config.categories,
            per_category,
            share: (0..n_categories).flat_map(|_| shares(per_category, config.zipf, rng)).collect(),
            companion_category: companion_categories(n_categories, config.moods, rng),
            texts: texts(config, per_category, rng),
        }
    }

    /// The number of items.
    pub(super) fn n_items(&self) -> usize {
        self.share.len()
    }

    /// The number of categories of all departments together.
    pub(super) fn n_categories(&self) -> usize {
        self.share.len() / self.per_category
    }

    /// The number of moods.
    pub(super) fn moods(&self) -> usize {
        self.companion_category.len()
    }

    /// The mood of the department that a category belongs to.
    pub(super) fn mood(&self, category: usize) -> usize {
        category / self.categories % self.moods()
    }

    /// The category of an item.
    pub(super) fn category(&self, item: u32) -> usize {
        item as usize / self.per_category
    }

    /// The companion of an item in a mood: an item of the same style in another category.
    pub(super) fn companion(&self, item: u32, mood: usize) -> u32 {
        let slot = item as usize % self.per_category;
        let category = self.companion_category[mood][self.category(item)];
        u32::try_from(category * self.per_category + slot).expect("an item index")
    }
}

/// Zipf probabilities in a random order.
fn shares(n: usize, exponent: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut weights: Vec<f64> = (1..=n).map(|rank| (rank as f64).powf(-exponent)).collect();
    let total: f64 = weights.iter().sum();
    for weight in &mut weights {
        *weight /= total;
    }
    weights.shuffle(rng);
    weights
}

/// For each mood the category `mood + 1` places further on a random circle. The companions of an
/// item in different moods are therefore different, and none is of its own category.
fn companion_categories(n: usize, moods: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<usize>> {
    let mut circle: Vec<usize> = (0..n).collect();
    circle.shuffle(rng);
    let step = |mood: usize| {
        let mut next = vec![0; n];
        for (place, &category) in circle.iter().enumerate() {
            next[category] = circle[(place + mood + 1) % n];
        }
        next
    };
    (0..moods).map(step).collect()
}

/// A distinct title for each item, such as "Nordic Ash Floor Lamp"; past the word lists numbers are
/// added.
fn texts(config: &SyntheticConfig, per_category: usize, rng: &mut ChaCha8Rng) -> Vec<ItemText> {
    let mut styles = STYLES;
    styles.shuffle(rng);
    let mut texts = Vec::with_capacity(config.items);
    for department in 0..config.departments {
        let (department_name, mut kinds) = DEPARTMENTS[department % DEPARTMENTS.len()];
        kinds.shuffle(rng);
        let department_name = numbered(department_name, department / DEPARTMENTS.len());
        for category in 0..config.categories {
            let copy =
                category / kinds.len() + config.categories * (department / DEPARTMENTS.len());
            let kind = numbered(kinds[category % kinds.len()], copy);
            for slot in 0..per_category {
                let (style, round) = (styles[slot % STYLES.len()], slot / STYLES.len());
                // A title has one material while there is a style for each slot, then each material
                // once.
                let first = if per_category <= STYLES.len() {
                    rng.random_range(0..MATERIALS.len())
                } else {
                    category + slot % STYLES.len()
                };
                let material = MATERIALS[(first + round) % MATERIALS.len()];
                let title =
                    numbered(&format!("{style} {material} {kind}"), round / MATERIALS.len());
                let text = format!("{title}. {department_name}, {kind}. {style} style, {material}");
                texts.push(ItemText { title, text });
            }
        }
    }
    texts
}

/// The name, with a number from its second use on.
fn numbered(name: &str, earlier_uses: usize) -> String {
    if earlier_uses == 0 { name.to_owned() } else { format!("{name} {}", earlier_uses + 1) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::random::{Purpose, stream};

    fn catalogue(config: &SyntheticConfig) -> Catalogue {
        Catalogue::generate(config, &mut stream(3, Purpose::Catalogue, 0))
    }

    #[test]
    fn titles_are_distinct_however_large_the_shop() {
        for (departments, categories, items) in
            [(6, 5, 600), (17, 9, 153), (1, 2, 2000), (9, 17, 3 * 153)]
        {
            let config =
                SyntheticConfig { departments, categories, items, ..SyntheticConfig::default() };
            let texts = catalogue(&config).texts;
            let distinct: HashSet<&str> = texts.iter().map(|it| it.title.as_str()).collect();
            assert_eq!((texts.len(), distinct.len()), (items, items));
        }
    }

    #[test]
    fn companions_share_the_style_and_differ_by_mood() {
        let shop = catalogue(&SyntheticConfig::default());
        let style = |item: u32| shop.texts[item as usize].title.split(' ').next().unwrap();
        for item in (0u32..).take(shop.n_items()) {
            let companions: Vec<u32> =
                (0..shop.moods()).map(|mood| shop.companion(item, mood)).collect();
            assert_eq!(companions.iter().collect::<HashSet<_>>().len(), shop.moods());
            for companion in companions {
                assert_eq!(style(item), style(companion));
                assert_ne!(shop.category(item), shop.category(companion));
            }
        }
    }

    #[test]
    fn shares_of_a_category_sum_to_one() {
        let shop = catalogue(&SyntheticConfig::default());
        for shares in shop.share.chunks(shop.per_category) {
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }
}
