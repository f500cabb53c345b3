//! A decoder's losses and rankings, level by level.

use std::collections::HashSet;

use super::ranking::Job;
use super::{EvaluateConfig, Ranking, judge};
use crate::catalogue::{Catalogue, Node, Trie};
use crate::data::Example;
use crate::decode::{Search, best_leaves, code_log_probs, node_log_probs};
use crate::error::Result;
use crate::event::{Both, Diagnosis, Monitor};
use crate::model::Decoder;

/// The number of most probable prefixes that a target's prefix should be among.
const TOP: usize = 10;

/// The diagnosis of a decoder on examples, by exact search.
///
/// One exact search gives the rankings and the prefixes. `name` and `title` are the decoder's, and
/// `test_prompts` is the number of all test prompts.
///
/// # Errors
///
/// If the user interrupts.
pub(crate) fn diagnose(
    model: &Decoder,
    catalogue: Catalogue<'_>,
    examples: &[Example],
    test_prompts: usize,
    config: &EvaluateConfig,
    monitor: &Monitor,
    (name, title): (&str, &str),
) -> Result<Diagnosis> {
    let Catalogue { sids, trie, .. } = catalogue;
    let ranking = Ranking { search: Search::Exact, ..config.ranking() };
    let histories: Vec<&[u32]> = examples.iter().map(|e| &e.history[..]).collect();
    let label = format!("diagnose {title}");
    let job = Job::new(model, catalogue, &histories, monitor, &label);
    let levels = trie.levels();
    let first_leaf = trie.nodes_at(levels).start as usize;
    let mut sums = Sums::new(levels);
    let rankings = ranking.both_found(&job, |batch, prompts, width| {
        let leaves = |&i: &usize| -> Vec<Node> {
            let targets = &examples[i].targets;
            targets.iter().filter_map(|&item| trie.walk(sids.sid(item))).collect()
        };
        let targets: Vec<Vec<Node>> = batch.iter().map(leaves).collect();
        sums.add_losses(model, trie, prompts, &targets);
        let nodes = node_log_probs(model, trie, prompts);
        for (nodes, targets) in nodes.iter().zip(&targets) {
            sums.add_prefixes(trie, nodes, targets);
        }
        nodes.iter().map(|nodes| best_leaves(trie, &nodes[first_leaf..], width)).collect()
    })?;
    let prompts = examples.len();
    let mean = |sums: Vec<f64>| -> Vec<f64> {
        sums.into_iter().map(|sum| sum / prompts.max(1) as f64).collect()
    };
    let exact = Both::of(|mask_history| {
        let rankings: Vec<&[u32]> = rankings.iter().map(|it| &it.get(mask_history)[..]).collect();
        judge(examples, &rankings, sids).item
    });
    Ok(Diagnosis {
        name: name.to_owned(),
        title: title.to_owned(),
        prompts,
        share: prompts as f64 / test_prompts.max(1) as f64,
        nll_vocabulary: mean(sums.vocabulary),
        nll_trie: mean(sums.trie),
        prefix_recall_at_10: mean(sums.prefixes),
        exact,
    })
}

/// Sums over prompts.
struct Sums {
    /// For each level the negative log-likelihood over all codes.
    vocabulary: Vec<f64>,
    /// For each level the negative log-likelihood over the codes that the trie allows.
    trie: Vec<f64>,
    /// For each length of a prefix the recall among the most probable prefixes.
    prefixes: Vec<f64>,
}

impl Sums {
    fn new(levels: usize) -> Self {
        let zeros = |length| vec![0.0; length];
        Self { vocabulary: zeros(levels), trie: zeros(levels), prefixes: zeros(levels - 1) }
    }

    /// Adds the losses of each prompt's targets: their mean.
    fn add_losses(
        &mut self,
        model: &Decoder,
        trie: &Trie,
        prompts: &[&[u32]],
        targets: &[Vec<Node>],
    ) {
        let most = targets.iter().map(Vec::len).max().unwrap_or(0);
        // the first target of each prompt, then the second of each that has two, and so on
        for nth in 0..most {
            let with_nth = || prompts.iter().zip(targets).filter(|(_, leaves)| nth < leaves.len());
            let prompts: Vec<&[u32]> = with_nth().map(|(prompt, _)| *prompt).collect();
            let leaves: Vec<Node> = with_nth().map(|(_, leaves)| leaves[nth]).collect();
            let found = code_log_probs(model, trie, &prompts, &leaves);
            for (codes, (_, leaves)) in found.iter().zip(with_nth()) {
                let share = 1.0 / leaves.len() as f64;
                for (level, code) in codes.iter().enumerate() {
                    self.vocabulary[level] -= share * f64::from(code.vocabulary);
                    self.trie[level] -= share * f64::from(code.trie);
                }
            }
        }
    }

    /// Adds, for each length, the share of the targets' prefixes among the most probable ones;
    /// `nodes` has the log-probability of every node. Ties go by semantic ID.
    fn add_prefixes(&mut self, trie: &Trie, nodes: &[f32], targets: &[Node]) {
        let paths: Vec<Vec<Node>> = targets.iter().map(|&leaf| trie.path(leaf)).collect();
        for (length, sum) in (1..).zip(&mut self.prefixes) {
            let prefixes: HashSet<Node> = paths.iter().map(|path| path[length]).collect();
            let all = trie.nodes_at(length);
            let found = |prefix: &&Node| {
                let own = nodes[prefix.index() as usize];
                let before = |&other: &u32| {
                    let log_prob = nodes[other as usize];
                    log_prob > own || (log_prob >= own && other < prefix.index())
                };
                all.clone().filter(before).take(TOP).count() < TOP
            };
            *sum += prefixes.iter().filter(found).count() as f64 / prefixes.len().max(1) as f64;
        }
    }
}
