//! The bodies of the fuzz targets, as plain functions of bytes. A fuzzer runs them on anything; the
//! test below runs them on every input in `regressions/`.
//!
//! No body may panic but by a broken claim.

#[cfg(feature = "train")]
mod files;
mod signal;
#[cfg(feature = "train")]
mod trie;

#[cfg(feature = "train")]
pub use files::{embeddings, interactions, items, lc_rec, mini_one_rec, parquet, sid_table};
pub use signal::signal;
#[cfg(feature = "train")]
pub use trie::trie;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    fn replay(name: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions").join(name);
        let mut inputs = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            eprintln!("{}", path.display());
            target(&fs::read(path).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0, "no input of {name}");
    }

    #[test]
    fn every_regression_passes() {
        replay("signal", super::signal);
        #[cfg(feature = "train")]
        {
            replay("trie", super::trie);
            replay("sid_table", super::sid_table);
            replay("interactions", super::interactions);
            replay("parquet", super::parquet);
            replay("mini_one_rec", super::mini_one_rec);
            replay("lc_rec", super::lc_rec);
            replay("items", super::items);
            replay("embeddings", super::embeddings);
        }
    }
}
