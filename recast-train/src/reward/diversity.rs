//! The distance of a completion from the others of its group.

/// Writes the diversity of each semantic ID.
///
/// ```text
/// d_i = 1 / (G - 1) sum over j != i of (1 - equal leading codes of y_i and y_j / L)
/// ```
///
/// Counts are summed before they are divided, so that equal semantic IDs have equal diversities. A
/// group of one has diversity 0. `O(G^2 L)` time.
pub(super) fn write_diversity(sids: &[&[u16]], out: &mut [f32]) {
    for (i, (sid, diversity)) in sids.iter().zip(out).enumerate() {
        let others = sids.iter().enumerate().filter(|&(j, _)| j != i);
        let different: usize = others.map(|(_, other)| sid.len() - equal_codes(sid, other)).sum();
        let codes = (sids.len() - 1) * sid.len();
        *diversity = if codes == 0 { 0.0 } else { different as f32 / codes as f32 };
    }
}

/// The number of leading codes that two semantic IDs share.
fn equal_codes(a: &[u16], b: &[u16]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact results are claimed")]
mod tests {
    use super::*;

    fn diversity(sids: &[[u16; 3]]) -> Vec<f32> {
        let mut out = vec![f32::NAN; sids.len()];
        write_diversity(&sids.iter().map(|sid| &sid[..]).collect::<Vec<_>>(), &mut out);
        out
    }

    #[test]
    fn completions_without_a_common_code_are_as_diverse_as_can_be() {
        assert_eq!(diversity(&[[1, 2, 3], [4, 2, 3], [5, 2, 3]]), [1.0; 3]);
    }

    #[test]
    fn shared_leading_codes_take_their_share() {
        // the two others have 6 codes; the shared codes are 2 + 1, 2 + 1 and 1 + 1
        assert_eq!(
            diversity(&[[1, 2, 3], [1, 2, 9], [1, 7, 3]]),
            [3.0 / 6.0, 3.0 / 6.0, 4.0 / 6.0]
        );
    }

    #[test]
    fn equal_completions_have_no_distance_and_one_diversity() {
        assert_eq!(diversity(&[[1, 2, 3]; 4]), [0.0; 4]);
        let with_double = diversity(&[[1, 2, 3], [1, 9, 9], [7, 7, 7], [1, 2, 3]]);
        assert_eq!(with_double[0], with_double[3]);
    }

    #[test]
    fn a_group_of_one_has_no_diversity() {
        assert_eq!(diversity(&[[1, 2, 3]]), [0.0]);
    }
}
