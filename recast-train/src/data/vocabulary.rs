//! Ids from the files, as indices.

use std::cmp::Ordering;
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

    /// Whether all ids are integers, of any length.
    #[must_use]
    pub(crate) fn are_integers(&self) -> bool {
        self.iter().all(|id| Integer::of(id).is_some())
    }

    /// The indices in *item order*: numeric order of the ids if all are integers, else as they
    /// stand.
    ///
    /// Integers may be of any length. Ids that are equal as numbers (`7` and `007`) keep their
    /// order. The rows of an embedding file follow this order unless an items file gives another,
    /// or the file names the item of each row.
    #[must_use]
    pub(crate) fn item_order(&self) -> Vec<u32> {
        let numbers: Option<Vec<Integer<'_>>> = self.iter().map(Integer::of).collect();
        let mut order: Vec<u32> = (0u32..).take(self.len()).collect();
        if let Some(numbers) = numbers {
            order.sort_by(|&one, &other| numbers[one as usize].cmp(&numbers[other as usize]));
        }
        order
    }
}

/// An integer as its digits stand in a file; no length is too long.
#[derive(Debug, PartialEq, Eq)]
struct Integer<'a> {
    /// Zero is not negative.
    negative: bool,
    /// The digits without leading zeros.
    digits: &'a str,
}

impl<'a> Integer<'a> {
    /// The integer of `id`, if it is one: a sign or none, and digits.
    fn of(id: &'a str) -> Option<Self> {
        let unsigned = id.strip_prefix(['-', '+']).unwrap_or(id);
        if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = unsigned.trim_start_matches('0');
        Some(Self { negative: id.starts_with('-') && !digits.is_empty(), digits })
    }
}

impl Ord for Integer<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let sizes = (self.digits.len(), self.digits).cmp(&(other.digits.len(), other.digits));
        match (self.negative, other.negative) {
            (false, false) => sizes,
            (true, true) => sizes.reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Integer<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
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
    fn integers_of_any_length_are_ordered_as_numbers() {
        for (ids, order) in [
            (
                &["10000000000000000104", "10000000000000000101", "9223372036854775807"][..],
                &[2, 1, 0][..],
            ),
            (&["123456789012345678901234567890", "99999999999999999999", "-1"], &[2, 1, 0]),
            (&["-100000000000000000000", "-100000000000000000001", "0"], &[1, 0, 2]),
            (&["00000000000000000000000007", "6", "7", "-0", "+0"], &[3, 4, 1, 0, 2]),
        ] {
            let ids: Ids = ids.iter().copied().collect();
            assert!(ids.are_integers());
            assert_eq!(ids.item_order(), order, "{ids:?}");
        }
    }

    #[test]
    fn signs_alone_fractions_and_other_digits_are_no_integers() {
        for id in ["", "-", "+", "1.0", "1e3", "--1", "0x10", "\u{0661}", "1 2"] {
            assert!(!["1", id].into_iter().collect::<Ids>().are_integers(), "{id}");
        }
    }

    #[test]
    fn one_word_among_integers_keeps_the_order_of_appearance() {
        let ids: Ids = ["10", "9", "x"].into_iter().collect();
        assert_eq!(ids.item_order(), [0, 1, 2]);
    }
}
