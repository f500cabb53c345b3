//! Given embeddings, put in the order of the items: by id, or by position where a file names none.

use std::path::Path;

use crate::data::{Ids, Items, Join, RowOrder, Sequences};
use crate::embedding::{EmbeddingRows, Embeddings};
use crate::error::{Error, Result};

/// The joined part, in words.
const PART: &str = "embeddings";

/// Puts a file's rows in item order: by the ids of the rows, else by the items file, else by the
/// log. `log_order` is the order of the log's ids.
pub(super) fn aligned(
    file: EmbeddingRows,
    path: &Path,
    sequences: &Sequences,
    items: Option<&Items>,
    log_order: RowOrder,
) -> Result<(Embeddings, Join)> {
    let EmbeddingRows { embeddings, ids } = file;
    let (rows, join) = match ids {
        Some(ids) => {
            let ids: Ids = ids.into_iter().collect();
            let join = Join::by_id(PART, "items", &sequences.items, ids.iter());
            join.check_all(path, "add a row for every item of the log, or give no embeddings")?;
            let row = |id| ids.index_of(id).map(|row| row as usize);
            (sequences.items.iter().filter_map(row).collect(), join)
        }
        None => {
            let expected = items.map_or(sequences.log_items, Items::n_rows);
            embeddings.check_rows(expected, path)?;
            let rows = rows_by_position(path, sequences, items)?;
            let order = if items.is_some() { RowOrder::ItemsFile } else { log_order };
            let join = Join::by_position(PART, &sequences.items, order, &rows, embeddings.rows());
            (rows, join)
        }
    };
    if rows.iter().copied().eq(0..embeddings.rows()) {
        return Ok((embeddings, join));
    }
    let values = rows.iter().flat_map(|&row| embeddings.row(row)).copied().collect();
    Ok((Embeddings::new(embeddings.dim(), values)?, join))
}

/// The row of each item, by the items file or else by the log.
fn rows_by_position(
    path: &Path,
    sequences: &Sequences,
    items: Option<&Items>,
) -> Result<Vec<usize>> {
    let Some(items) = items else {
        return Ok(sequences.item_rows.iter().map(|&row| row as usize).collect());
    };
    let row = |(index, id): (usize, &str)| {
        items.row_of(index as u32).ok_or_else(|| {
            Error::file(
                path,
                format!("item '{id}' of the log has no line in the items file, so no row here"),
                "add the item there and its embedding here, or give no embeddings",
            )
        })
    };
    sequences.items.iter().enumerate().map(row).collect()
}

/// The warning about embeddings of which more than half are equal: no tokenizer can tell such items
/// apart.
pub(super) fn embeddings_warning(embeddings: &Embeddings, ids: &Ids) -> Option<String> {
    let row = |index| embeddings.row(index);
    // the only row that more than half can be equal to: each unlike row takes one vote away
    let mut candidate = 0;
    let mut votes = 0usize;
    for index in 0..embeddings.rows() {
        if votes == 0 {
            candidate = index;
        }
        if row(index) == row(candidate) {
            votes += 1;
        } else {
            votes -= 1;
        }
    }
    let equal = (0..embeddings.rows()).filter(|&index| row(index) == row(candidate));
    let first = equal.clone().next().and_then(|index| ids.get(index as u32)).unwrap_or_default();
    let (equal, all) = (equal.count(), embeddings.rows());
    (all > 1 && 2 * equal > all).then(|| {
        format!(
            "{PART}: {equal} of {all} items have equal rows, that of '{first}' among them: semantic IDs cannot \
             tell these items apart"
        )
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::{Interactions, PrepareOptions, prepare};

    /// A log of one user who met all items, none of which is dropped.
    fn log(items: &[&str]) -> Sequences {
        let mut log = Interactions::default();
        for (item, time) in items.iter().zip(0..) {
            log.push("u", item, time);
        }
        let mut options = PrepareOptions::default();
        (options.min_user, options.min_item) = (1, 1);
        prepare(log, &options, 1).unwrap().0
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_permuted_file_with_ids_gives_the_same_matrix(
            rows in Just((0..12).collect::<Vec<usize>>()).prop_shuffle(),
            known in 1usize..12,
        ) {
            let ids: Vec<String> = (0..12).map(|item| format!("{}", 10u128.pow(20) + item)).collect();
            let items: Vec<&str> = ids[..known].iter().map(String::as_str).collect();
            let sequences = log(&items);
            let file = EmbeddingRows {
                embeddings: Embeddings::new(1, rows.iter().map(|&row| row as f32).collect()).unwrap(),
                ids: Some(rows.iter().map(|&row| ids[row].clone()).collect()),
            };
            let order = RowOrder::Numeric;
            let (found, join) = aligned(file, Path::new("x"), &sequences, None, order).unwrap();
            let expected: Vec<f32> = (0..known).map(|item| item as f32).collect();
            prop_assert_eq!(found.values(), &expected[..]);
            prop_assert_eq!((join.matched, join.others, join.position), (known, 12 - known, None));
        }
    }

    fn warning(rows: &[f32]) -> Option<String> {
        let ids: Ids = (0..rows.len()).map(|row| format!("i{row}")).collect();
        embeddings_warning(&Embeddings::new(1, rows.to_vec()).unwrap(), &ids)
    }

    #[test]
    fn more_than_half_of_equal_rows_are_told() {
        for (rows, told) in [
            (&[0.0, 0.0, 0.0][..], Some("3 of 3 items have equal rows, that of 'i0'")),
            (&[1.0, 2.0, 2.0, 3.0, 2.0], Some("3 of 5 items have equal rows, that of 'i1'")),
            (&[0.0, -0.0], Some("2 of 2")),
            (&[1.0, 2.0, 2.0, 1.0], None),
            (&[1.0, 2.0, 3.0], None),
            (&[1.0], None),
        ] {
            let warning = warning(rows);
            assert_eq!(warning.is_some(), told.is_some(), "{rows:?}: {warning:?}");
            assert!(warning.is_none_or(|it| it.contains(told.unwrap())), "{rows:?}");
        }
    }
}
