//! The completions of a group that repeat an earlier one, for
//! [`Group::with_duplicates`](crate::Group::with_duplicates).

/// Finds the completions that repeat an earlier one.
///
/// ```text
/// duplicate_of[i] = index of the first completion with the codes of i; i itself if it is the first
/// ```
///
/// Beams are distinct; sampled completions need not be. Each completion is compared with the
/// first of every other: `O(G F L)` time with F different completions, no allocation.
///
/// # Shapes
///
/// `completions`: (G C) with C codes (`codes`) a completion; `duplicate_of`: (G).
///
/// # Panics
///
/// If `codes` is 0, or if `completions` is not `codes` for each index.
///
/// # Examples
///
/// ```
/// use recast_core::Group;
/// use recast_core::duplicate::declare;
///
/// let mut duplicate_of = [usize::MAX; 3];
/// declare(&[1, 2, 9, 4, 4, 4, 1, 2, 9], 3, &mut duplicate_of);
/// assert_eq!(duplicate_of, [0, 1, 0]);
/// let group = Group::new(&[0.0; 3], &[0.1, 0.0, 0.1], None)?.with_duplicates(&duplicate_of);
/// assert!(group.is_ok());
/// # Ok::<(), recast_core::GroupError>(())
/// ```
pub fn declare<C: PartialEq>(completions: &[C], codes: usize, duplicate_of: &mut [usize]) {
    assert_codes(completions, codes, duplicate_of);
    for index in 0..duplicate_of.len() {
        let completion = of(completions, codes, index);
        let first = firsts(duplicate_of, index)
            .find(|&first| of(completions, codes, first) == completion)
            .unwrap_or(index);
        duplicate_of[index] = first;
    }
}

/// Keeps the duplicates right after the completion of one slot was overwritten, by the anchor say.
///
/// Completions that repeated the old one now repeat the first among themselves. The new completion
/// may repeat another or be repeated. The result is that of [`declare`] on the new completions.
/// `O(G L)` time, no allocation. The function cannot check that `duplicate_of` was right before.
///
/// # Shapes
///
/// `completions`: (G C), after the overwriting; `duplicate_of`: (G), from before the overwriting.
///
/// # Panics
///
/// If `codes` is 0, if `completions` is not `codes` for each index, or if there is no such slot.
///
/// # Examples
///
/// ```
/// use recast_core::duplicate::redeclare;
///
/// // Slots 0 and 2 were the same. The anchor (7, 7) took slot 0: slot 2 is now the first.
/// let mut duplicate_of = [0, 1, 0];
/// redeclare(&[7, 7, 1, 1, 2, 2], 2, 0, &mut duplicate_of);
/// assert_eq!(duplicate_of, [0, 1, 2]);
/// ```
pub fn redeclare<C: PartialEq>(
    completions: &[C],
    codes: usize,
    slot: usize,
    duplicate_of: &mut [usize],
) {
    assert_codes(completions, codes, duplicate_of);
    redeclare_new(slot, duplicate_of);
    let anchor = of(completions, codes, slot);
    let is_anchor = |first: usize| of(completions, codes, first) == anchor;
    let earlier = firsts(duplicate_of, slot).find(|&first| is_anchor(first));
    if let Some(earlier) = earlier {
        duplicate_of[slot] = earlier;
        return;
    }
    // Later completions like the new one had another first.
    let later = (slot + 1..duplicate_of.len())
        .find(|&index| duplicate_of[index] == index && is_anchor(index));
    if let Some(later) = later {
        for first in &mut duplicate_of[later..] {
            if *first == later {
                *first = slot;
            }
        }
    }
}

/// Keeps the duplicates right after the completion of one slot was overwritten by a completion that
/// the group does not hold.
///
/// Without a hit no completion of a group is its anchor, so that no codes are needed. `O(G)` time,
/// no allocation. The function cannot check that the completion is new, nor that `duplicate_of` was
/// right before.
///
/// # Shapes
///
/// `duplicate_of`: (G), from before the overwriting.
///
/// # Panics
///
/// If there is no such slot.
///
/// # Examples
///
/// ```
/// let mut duplicate_of = [0, 1, 0, 0];
/// recast_core::duplicate::redeclare_new(0, &mut duplicate_of);
/// assert_eq!(duplicate_of, [0, 1, 2, 2]);
/// ```
pub fn redeclare_new(slot: usize, duplicate_of: &mut [usize]) {
    let group = duplicate_of.len();
    assert!(slot < group, "a group of {group} has no completion {slot}");
    // The heir of the old completion, if it was the first of several.
    if duplicate_of[slot] == slot
        && let Some(heir) = (slot + 1..group).find(|&index| duplicate_of[index] == slot)
    {
        for first in &mut duplicate_of[heir..] {
            if *first == slot {
                *first = heir;
            }
        }
    }
    duplicate_of[slot] = slot;
}

/// The firsts before a place, ascending.
fn firsts(duplicate_of: &[usize], before: usize) -> impl Iterator<Item = usize> {
    duplicate_of[..before].iter().enumerate().filter(|&(at, &of)| at == of).map(|(at, _)| at)
}

fn of<C>(completions: &[C], codes: usize, index: usize) -> &[C] {
    &completions[index * codes..(index + 1) * codes]
}

fn assert_codes<C>(completions: &[C], codes: usize, duplicate_of: &[usize]) {
    assert!(
        codes > 0 && completions.len() == codes * duplicate_of.len(),
        "{} codes for {} completions of {codes} codes each",
        completions.len(),
        duplicate_of.len()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared<const G: usize>(completions: [[u8; 2]; G]) -> [usize; G] {
        let mut duplicate_of = [usize::MAX; G];
        declare(completions.as_flattened(), 2, &mut duplicate_of);
        duplicate_of
    }

    #[test]
    fn each_completion_names_the_first_like_it() {
        let (a, b, c) = ([1, 2], [1, 3], [2, 2]);
        assert_eq!(declared([a, b, a, c, b, a]), [0, 1, 0, 3, 1, 0]);
        assert_eq!(declared([a, b, c]), [0, 1, 2]);
        assert_eq!(declared([]), []);
    }

    #[test]
    fn after_an_overwriting_the_result_is_that_of_the_new_completions() {
        // Three values in five slots: all groups, all slots, all anchors.
        for group in 0..3_usize.pow(5) {
            let value = |slot: usize| [(group / 3_usize.pow(slot as u32) % 3) as u8; 2];
            let completions = [0, 1, 2, 3, 4].map(value);
            for slot in 0..5 {
                for anchor in 0..3 {
                    let mut repaired = completions;
                    repaired[slot] = [anchor; 2];
                    let mut duplicate_of = declared(completions);
                    redeclare(repaired.as_flattened(), 2, slot, &mut duplicate_of);
                    assert_eq!(duplicate_of, declared(repaired), "{completions:?} {slot}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "5 codes for 2 completions of 3 codes each")]
    fn a_broken_completion_panics_with_the_numbers() {
        declare(&[1; 5], 3, &mut [0; 2]);
    }

    #[test]
    #[should_panic(expected = "a group of 2 has no completion 2")]
    fn a_slot_outside_of_the_group_panics() {
        redeclare(&[1; 2], 1, 2, &mut [0; 2]);
    }
}
