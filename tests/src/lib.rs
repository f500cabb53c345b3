//! Golden cases and parity between recast-core and every device; see `tests/`.
//!
//! The doctests of this crate are the Rust code of the repository's documents. A published crate
//! cannot read files outside its folder, and one crate for all documents links burn once.

/// The documents: `.ci/run` refuses a document with Rust code that is missing here.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    mod readme {}
    #[doc = include_str!("../../docs/adding-a-signal.md")]
    mod adding_a_signal {}
    #[doc = include_str!("../../docs/embedding-core.md")]
    mod embedding_core {}
    #[doc = include_str!("../../recast-burn/README.md")]
    mod recast_burn {}
    #[doc = include_str!("../../recast-core/README.md")]
    mod recast_core {}
    #[doc = include_str!("../../recast-train/README.md")]
    mod recast_train {}
}
