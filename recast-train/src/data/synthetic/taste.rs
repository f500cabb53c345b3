//! The moves of the hidden taste, the items it makes a user take, and its posterior given a
//! history.

use super::SyntheticConfig;
use super::catalogue::Catalogue;

/// The probabilities of the model; `z` is the hidden taste, a category.
///
/// ```text
/// p(z_1)             = 1 / categories
/// p(z_t+1 | z_t)     = stay [same] + sibling [another of the department, equally]
///                      + (1 - stay - sibling) / categories
/// p(x_1 | z)         = share(x) [x in z]
/// p(x_t+1 | x_t, z)  = companion [x_t+1 goes with x_t in z's mood]
///                      + (1 - companion) share(x_t+1) [x_t+1 in z]
/// ```
///
/// A category without siblings keeps their part. All items stay possible at all times, so a history
/// always has a posterior.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taste {
    pub(super) stay: f64,
    pub(super) sibling: f64,
    pub(super) companion: f64,
}

impl Taste {
    pub(super) fn new(config: &SyntheticConfig) -> Self {
        Self { stay: config.stay, sibling: config.sibling, companion: config.companion }
    }

    /// One step of the chain: from `p(z_t | ..)` to `p(z_t+1 | ..)`. `O(categories)`.
    fn moved(&self, catalogue: &Catalogue, belief: &[f64]) -> Vec<f64> {
        let jump = (1.0 - self.stay - self.sibling) / belief.len() as f64;
        let siblings = catalogue.categories - 1;
        let mut moved = Vec::with_capacity(belief.len());
        for department in belief.chunks(catalogue.categories) {
            let all: f64 = department.iter().sum();
            moved.extend(department.iter().map(|&here| {
                let from_siblings =
                    if siblings == 0 { here } else { (all - here) / siblings as f64 };
                self.stay * here + self.sibling * from_siblings + jump
            }));
        }
        moved
    }

    /// The posterior after `history`: the taste at the next step, before its item is seen.
    fn next_taste(&self, catalogue: &Catalogue, history: &[u32]) -> Vec<f64> {
        let n = catalogue.n_categories();
        let mut belief = vec![1.0 / n as f64; n];
        let mut previous = None;
        for &item in history {
            for (category, belief) in belief.iter_mut().enumerate() {
                *belief *= self.emission(catalogue, previous, category, item);
            }
            let total: f64 = belief.iter().sum();
            for belief in &mut belief {
                *belief /= total;
            }
            belief = self.moved(catalogue, &belief);
            previous = Some(item);
        }
        belief
    }

    /// `p(item | previous, z = category)`.
    fn emission(
        &self,
        catalogue: &Catalogue,
        previous: Option<u32>,
        category: usize,
        item: u32,
    ) -> f64 {
        let share =
            if catalogue.category(item) == category { catalogue.share[item as usize] } else { 0.0 };
        let Some(previous) = previous else { return share };
        let goes_with = catalogue.companion(previous, catalogue.mood(category)) == item;
        (1.0 - self.companion) * share + if goes_with { self.companion } else { 0.0 }
    }

    /// `p(x_t+1 | x_1 .. x_t)` for all items, exactly, by forward filtering.
    ///
    /// `O(history * categories + items)`.
    pub(super) fn predictive(&self, catalogue: &Catalogue, history: &[u32]) -> Vec<f64> {
        let taste = self.next_taste(catalogue, history);
        let companion = if history.is_empty() { 0.0 } else { self.companion };
        let mut predictive: Vec<f64> = (catalogue.share.chunks(catalogue.per_category).zip(&taste))
            .flat_map(|(shares, taste)| shares.iter().map(move |it| (1.0 - companion) * taste * it))
            .collect();
        if let Some(&previous) = history.last() {
            for (category, taste) in taste.iter().enumerate() {
                let item = catalogue.companion(previous, catalogue.mood(category));
                predictive[item as usize] += companion * taste;
            }
        }
        predictive
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    fn tiny() -> (Catalogue, Taste) {
        let config = SyntheticConfig {
            items: 12,
            departments: 3,
            categories: 2,
            moods: 2,
            stay: 0.6,
            sibling: 0.3,
            companion: 0.45,
            ..SyntheticConfig::default()
        };
        let catalogue = Catalogue::generate(&config, &mut stream(5, Purpose::Catalogue, 0));
        (catalogue, Taste::new(&config))
    }

    /// `p(x_1 .. x_T)` by summing over all paths of the hidden taste, from the model's definition.
    fn joint(shop: &Catalogue, taste: &Taste, items: &[u32]) -> f64 {
        let n = shop.n_categories();
        let department = |z: usize| z / shop.categories;
        let mut total = 0.0;
        for path in 0..n.pow(u32::try_from(items.len()).unwrap()) {
            let z: Vec<usize> = (0u32..).take(items.len()).map(|t| path / n.pow(t) % n).collect();
            let mut p = 1.0 / n as f64;
            for t in 0..items.len() {
                if t > 0 {
                    let mut step = (1.0 - taste.stay - taste.sibling) / n as f64;
                    if z[t] == z[t - 1] {
                        step += taste.stay;
                    } else if department(z[t]) == department(z[t - 1]) {
                        step += taste.sibling / (shop.categories - 1) as f64;
                    }
                    p *= step;
                }
                let in_taste = items[t] as usize / shop.per_category == z[t];
                let share = if in_taste { shop.share[items[t] as usize] } else { 0.0 };
                p *= if t == 0 {
                    share
                } else {
                    let mood = department(z[t]) % shop.moods();
                    let goes = shop.companion(items[t - 1], mood) == items[t];
                    (1.0 - taste.companion) * share + taste.companion * f64::from(u8::from(goes))
                };
            }
            total += p;
        }
        total
    }

    #[test]
    fn the_filter_agrees_with_the_sum_over_all_paths() {
        let (shop, taste) = tiny();
        let companion = shop.companion(3, 1);
        for history in
            [vec![], vec![0], vec![3, companion], vec![3, companion, 7], vec![9, 9, 1, 1]]
        {
            let predictive = taste.predictive(&shop, &history);
            let evidence = if history.is_empty() { 1.0 } else { joint(&shop, &taste, &history) };
            for item in 0..12u32 {
                let mut longer = history.clone();
                longer.push(item);
                let exact = joint(&shop, &taste, &longer) / evidence;
                let error = (predictive[item as usize] - exact).abs();
                assert!(error < 1e-12, "{history:?} then {item}: {error}");
            }
        }
    }

    #[test]
    fn the_predictive_sums_to_one() {
        let (shop, taste) = tiny();
        for history in [&[][..], &[0], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]] {
            let total: f64 = taste.predictive(&shop, history).iter().sum();
            assert!((total - 1.0).abs() < 1e-12, "{total}");
        }
    }
}
