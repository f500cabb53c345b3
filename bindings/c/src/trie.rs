//! Tries of legal sequences.

use recast_core::trie::{TrieError, TrieView, build, count_nodes};

use crate::fault::{Fault, RecastError, RecastStatus, Sink, report};
use crate::pointer::{input, offset_count, one, output, product, write};

/// A trie in two arrays of the caller's.
///
/// Node 0 is the root. The children of node v are the nodes from `first_child[v]` to
/// `first_child[v + 1]`, by ascending token. `tokens[v]` is the token that leads to v.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RecastTrieU32 {
    /// The number of nodes, at least 1.
    pub nodes: usize,
    /// (nodes + 1).
    pub first_child: *const u32,
    /// (nodes).
    pub tokens: *const u32,
}

impl RecastTrieU32 {
    /// # Safety
    ///
    /// The pointers lead to as many elements as described.
    unsafe fn view<'a>(&self, sink: &Sink) -> Option<TrieView<'a, u32>> {
        let offsets = offset_count(sink, self.nodes)?;
        // SAFETY: the caller's promise.
        let (first_child, tokens) = unsafe {
            let first_child = input(sink, "first_child", self.first_child, offsets)?;
            (first_child, input(sink, "tokens", self.tokens, self.nodes)?)
        };
        sink.of(TrieView::new(first_child, tokens))
    }
}

/// # Safety
///
/// `sorted` leads to `items * levels` tokens.
unsafe fn rows<'a>(
    sink: &Sink,
    sorted: *const u32,
    items: usize,
    levels: usize,
) -> Option<core::slice::ChunksExact<'a, u32>> {
    if levels == 0 {
        return sink.refuse(TrieError::NoLevel);
    }
    // SAFETY: the caller's promise.
    Some(
        unsafe { input(sink, "sorted", sorted, product(sink, "items", items, levels)?)? }
            .chunks_exact(levels),
    )
}

/// The number of nodes of the trie of sorted sequences, by which the caller sizes its arrays.
///
/// `sorted`: (items, levels), the rows in ascending order, repeats allowed; `nodes`: the number.
/// Status: `POINTER`, `LEVELS`, `TRIE` with `index` of the first row out of order, `SIZE`. O(items
/// levels) time.
///
/// # Safety
///
/// Pointers lead to as many elements as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_trie_nodes_u32(
    sorted: *const u32,
    items: usize,
    levels: usize,
    nodes: *mut usize,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe {
        report(error, |sink| {
            let rows = rows(sink, sorted, items, levels)?;
            write(sink, "nodes", nodes, sink.of(count_nodes(rows, levels))?)
        })
    }
}

/// Builds the trie of sorted sequences.
///
/// `sorted`: (items, levels) as for `recast_trie_nodes_u32`, which gives `nodes`; `first_child`:
/// (nodes + 1); `tokens`: (nodes). Status: as for `recast_trie_nodes_u32`, or `CAPACITY` if `nodes`
/// is another number.
///
/// # Safety
///
/// Pointers lead to as many elements as described, and outputs overlap nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_trie_build_u32(
    sorted: *const u32,
    items: usize,
    levels: usize,
    first_child: *mut u32,
    tokens: *mut u32,
    nodes: usize,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe {
        report(error, |sink| {
            let rows = rows(sink, sorted, items, levels)?;
            let first_child = output(sink, "first_child", first_child, offset_count(sink, nodes)?)?;
            let tokens = output(sink, "tokens", tokens, nodes)?;
            sink.of(build(rows, levels, first_child, tokens)).map(|_| ())
        })
    }
}

/// Checks the arrays of a trie, such as one read from a file. O(nodes) time.
///
/// Status: `POINTER`, `CAPACITY`, `TRIE` with `index` of the first bad node.
///
/// # Safety
///
/// Pointers lead to as many elements as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_trie_check_u32(
    trie: *const RecastTrieU32,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe {
        report(error, |sink| {
            let view = one(sink, "trie", trie)?.view(sink)?;
            sink.of(view.check()).map(|_| ())
        })
    }
}

/// The nodes that follow a node: `first` to `first + count`, whose tokens are the legal next ones.
///
/// A leaf has none, and neither has a number that is no node. O(1) time. Status: `POINTER`,
/// `CAPACITY`.
///
/// # Safety
///
/// Pointers lead to as many elements as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_trie_children_u32(
    trie: *const RecastTrieU32,
    node: u32,
    first: *mut u32,
    count: *mut u32,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe {
        report(error, |sink| {
            let children = one(sink, "trie", trie)?.view(sink)?.children(node);
            write(sink, "first", first, children.start)?;
            write(sink, "count", count, children.end - children.start)
        })
    }
}

/// The child of a node by its token. O(log children) time.
///
/// Status: `NOT_FOUND` if no sequence continues so, and `child` is then left as it is. Also
/// `POINTER`, `CAPACITY`.
///
/// # Safety
///
/// Pointers lead to as many elements as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_trie_step_u32(
    trie: *const RecastTrieU32,
    node: u32,
    token: u32,
    child: *mut u32,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe {
        report(error, |sink| match one(sink, "trie", trie)?.view(sink)?.step(node, &token) {
            Some(found) => write(sink, "child", child, found),
            None => sink.refuse(Fault::NotFound { token }),
        })
    }
}
