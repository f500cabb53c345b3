//! Ids from the files, as indices.

use std::collections::HashSet;

use indexmap::IndexSet;

/// Distinct ids in a fixed order. A lookup of an index or an id takes `O(1)`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids {
    set: IndexSet<String>,
}

impl Ids {
    /// A vocabulary without ids.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The index of `id`, which is added at the end if it is new.
    ///
    /// # Panics
    ///
    /// If there are more than `u32::MAX` ids.
    pub(crate) fn intern(&mut self, id: &str) -> u32 {
        let index = match self.set.get_index_of(id) {
            Some(index) => index,
            None => self.set.insert_full(id.to_owned()).0,
        };
        u32::try_from(index).expect("at most u32::MAX ids")
    }

    /// The index of `id`, if it is known.
    #[must_use]
    pub(crate) fn index_of(&self, id: &str) -> Option<u32> {
        self.set.get_index_of(id).and_then(|index| u32::try_from(index).ok())
    }

    /// Whether `id` is known.
    #[must_use]
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.set.contains(id)
    }

    /// The id at `index`, if there is one.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&str> {
        self.set.get_index(index as usize).map(String::as_str)
    }

    /// The ids whose index `keep` accepts, in their order, and all others in theirs.
    pub(super) fn parted(self, mut keep: impl FnMut(usize) -> bool) -> (Self, Self) {
        let (mut kept, mut others) = (IndexSet::new(), IndexSet::new());
        for (index, id) in self.set.into_iter().enumerate() {
            if keep(index) { &mut kept } else { &mut others }.insert(id);
        }
        (Self { set: kept }, Self { set: others })
    }

    /// The number of ids.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether the vocabulary has no id.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// The ids in index order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.set.iter().map(String::as_str)
    }

    /// The indices in *item order*: numeric order of the ids if all are integers, else as they
    /// stand.
    ///
    /// Ids that are equal as numbers (`7` and `007`) keep their order. The rows of an embedding
    /// file follow this order unless an items file gives another.
    #[must_use]
    pub(crate) fn item_order(&self) -> Vec<u32> {
        let numbers: Option<Vec<i64>> = self.iter().map(|id| id.parse().ok()).collect();
        let mut order: Vec<u32> = (0u32..).take(self.len()).collect();
        if let Some(numbers) = numbers {
            order.sort_by_key(|&index| numbers[index as usize]);
        }
        order
    }
}

impl<S: Into<String>> FromIterator<S> for Ids {
    /// The distinct ids in order of first appearance.
    fn from_iter<I: IntoIterator<Item = S>>(ids: I) -> Self {
        Self { set: ids.into_iter().map(Into::into).collect() }
    }
}

/// The first id that stands twice in `ids`, if any.
pub(super) fn first_repeated(ids: &[String]) -> Option<&str> {
    let mut seen = HashSet::with_capacity(ids.len());
    ids.iter().map(String::as_str).find(|id| !seen.insert(*id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_its_first_index() {
        let mut ids = Ids::new();
        assert_eq!((ids.intern("b"), ids.intern("a"), ids.intern("b")), (0, 1, 0));
        assert_eq!(ids.len(), 2);
        assert_eq!((ids.index_of("a"), ids.index_of("c")), (Some(1), None));
        assert_eq!((ids.get(0), ids.get(2)), (Some("b"), None));
    }

    #[test]
    fn parted_ids_keep_their_order() {
        let ids: Ids = ["a", "b", "c", "d"].into_iter().collect();
        let (kept, others) = ids.parted(|index| index % 2 == 0);
        assert_eq!((kept.len(), kept.get(1), kept.index_of("c")), (2, Some("c"), Some(1)));
        assert!(others.iter().eq(["b", "d"]));
    }

    #[test]
    fn integers_are_ordered_as_numbers() {
        let ids: Ids = ["10", "9", "-1", "09"].into_iter().collect();
        assert_eq!(ids.item_order(), [2, 1, 3, 0]);
    }

    #[test]
    fn one_word_among_integers_keeps_the_order_of_appearance() {
        let ids: Ids = ["10", "9", "x"].into_iter().collect();
        assert_eq!(ids.item_order(), [0, 1, 2]);
    }
}
