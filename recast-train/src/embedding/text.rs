//! Item texts as sparse vectors of weighted words.

use std::collections::{BTreeMap, HashMap};

use super::sparse::SparseMatrix;

/// The least number of texts of a word: a word of a single text compares nothing.
const MIN_DOCUMENTS: u32 = 2;

/// Term frequency times inverse document frequency of the words of each text, rows of length 1.
///
/// ```text
/// tf-idf_iw = tf_iw * (ln ((1 + n) / (1 + df_w)) + 1)
/// ```
///
/// A word is a run of letters and digits (Unicode), lower case. Words of fewer than two texts are
/// left out. A missing text, or one with no word left, has an empty row. The columns are the words
/// in sorted order.
#[must_use]
pub(crate) fn tf_idf<T: AsRef<str>>(texts: &[Option<T>]) -> SparseMatrix {
    let counts: Vec<BTreeMap<String, u32>> = texts
        .iter()
        .map(|text| {
            let mut counts = BTreeMap::new();
            for word in words(text.as_ref().map_or("", AsRef::as_ref)) {
                *counts.entry(word).or_insert(0) += 1;
            }
            counts
        })
        .collect();

    let mut documents: BTreeMap<&str, u32> = BTreeMap::new();
    for word in counts.iter().flat_map(BTreeMap::keys) {
        *documents.entry(word).or_insert(0) += 1;
    }
    documents.retain(|_, n| *n >= MIN_DOCUMENTS);
    let n_words = documents.len();
    let vocabulary: HashMap<&str, (u32, f64)> = documents
        .into_iter()
        .enumerate()
        .map(|(column, (word, n))| {
            let rarity = ((1.0 + texts.len() as f64) / (1.0 + f64::from(n))).ln() + 1.0;
            (word, (column as u32, rarity))
        })
        .collect();

    let rows: Vec<Vec<(u32, f32)>> = counts
        .iter()
        .map(|counts| {
            let row: Vec<(u32, f64)> = counts
                .iter()
                .filter_map(|(word, &n)| {
                    let &(column, rarity) = vocabulary.get(word.as_str())?;
                    Some((column, f64::from(n) * rarity))
                })
                .collect();
            let norm = row.iter().map(|(_, x)| x * x).sum::<f64>().sqrt();
            row.into_iter().map(|(column, x)| (column, (x / norm) as f32)).collect()
        })
        .collect();
    SparseMatrix::from_rows(n_words, &rows)
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lower_case_runs_of_letters_and_digits() {
        let found: Vec<String> = words("L'Oréal: Big-50 ml, (RED)").collect();
        assert_eq!(found, ["l", "oréal", "big", "50", "ml", "red"]);
    }

    #[test]
    fn weights_follow_the_formula_and_rows_have_length_one() {
        let matrix = tf_idf(&[Some("soap soap red"), Some("soap"), Some("red lonely"), None]);
        assert_eq!(matrix.n_columns(), 2, "'lonely' stands in one text only");
        // Columns: red, soap; each is a word of two texts, so that the inverse document frequency
        // cancels.
        let row: Vec<(u32, f32)> = matrix.row(0).collect();
        assert_eq!((row[0].0, row[1].0), (0, 1));
        assert!((row[0].1 - 0.2f32.sqrt()).abs() < 1e-6);
        assert!((row[1].1 - 0.8f32.sqrt()).abs() < 1e-6);
        assert_eq!(matrix.row(3).count(), 0);
    }

    #[test]
    fn rarer_words_weigh_more() {
        let matrix = tf_idf(&[Some("a b"), Some("a b"), Some("a")]);
        let row: Vec<(u32, f32)> = matrix.row(0).collect();
        assert!(row[1].1 > row[0].1);
    }

    #[test]
    fn texts_without_words_are_fine() {
        let matrix = tf_idf(&[Some("--"), None]);
        assert_eq!((matrix.n_rows(), matrix.n_columns()), (2, 0));
    }
}
