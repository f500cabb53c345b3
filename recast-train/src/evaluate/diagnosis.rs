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

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use recast_burn::DeviceKind;

    use super::*;
    use crate::catalogue::SidTable;
    use crate::decode::leaf_log_probs;
    use crate::model::ModelConfig;
    use crate::random::{Purpose, stream};

    #[test]
    fn a_diagnosis_is_that_of_every_semantic_id_scored() {
        let mut rng = stream(1, Purpose::Catalogue, 0);
        let codes: Vec<u16> = (0..240).map(|at| rng.random_range(0..[4, 6, 9][at % 3])).collect();
        let sids = SidTable::new(vec![4, 6, 9], codes).unwrap();
        let trie = Trie::new(&sids);
        let catalogue = Catalogue { sids: &sids, trie: &trie, max_history: 4 };
        let device = DeviceKind::Cpu.device();
        let model = Decoder::new(&ModelConfig::tiny(), sids.codes_per_level(), 1, &device);
        let mut items =
            |count: usize| -> Vec<u32> { (0..count).map(|_| rng.random_range(0..80)).collect() };
        let examples: Vec<Example> = [(3, 1), (1, 1), (6, 2), (4, 3), (2, 1)]
            .into_iter()
            .map(|(history, targets)| Example {
                user: 0,
                history: items(history),
                targets: items(targets),
            })
            .collect();
        let config = EvaluateConfig { batch_prompts: 2, ..EvaluateConfig::default() };
        let monitor = Monitor::silent();
        let name = ("sft", "SFT");
        let found = diagnose(&model, catalogue, &examples, 20, &config, &monitor, name).unwrap();
        assert_eq!((found.prompts, found.nll_trie.len()), (5, 3));
        assert!((found.share - 0.25).abs() < 1e-12);

        let (mut nll, mut recall) = (0.0, [0.0; 2]);
        for Example { history, targets, .. } in &examples {
            let prompt = catalogue.prompt(&model, history);
            let leaves = leaf_log_probs(&model, &trie, &[&prompt]).remove(0);
            let first = trie.nodes_at(3).start as usize;
            let leaf = |item: &u32| trie.walk(sids.sid(*item)).unwrap();
            let of = |item: &u32| f64::from(leaves[leaf(item).index() as usize - first]);
            nll -= targets.iter().map(of).sum::<f64>() / targets.len() as f64;
            for (length, recall) in (1..).zip(&mut recall) {
                // the probability of a prefix is that of all semantic IDs that begin so
                let mut prefixes: Vec<(f64, Node)> = Vec::new();
                for (log_prob, index) in leaves.iter().zip(trie.nodes_at(3)) {
                    let prefix = trie.path(trie.node(index).unwrap())[length];
                    let probability = f64::from(*log_prob).exp();
                    match prefixes.iter_mut().find(|known| known.1 == prefix) {
                        Some(known) => known.0 += probability,
                        None => prefixes.push((probability, prefix)),
                    }
                }
                prefixes.sort_by(|a, b| b.0.total_cmp(&a.0));
                let best: HashSet<Node> = prefixes.iter().take(10).map(|it| it.1).collect();
                let own: HashSet<Node> =
                    targets.iter().map(|item| trie.path(leaf(item))[length]).collect();
                *recall += own.intersection(&best).count() as f64 / own.len() as f64;
            }
        }
        assert!((found.nll_trie.iter().sum::<f64>() - nll / 5.0).abs() < 1e-5, "{found:?}");
        let pairs = found.nll_vocabulary.iter().zip(&found.nll_trie);
        assert!(pairs.into_iter().all(|(all, trie)| *all >= trie - 1e-6), "{found:?}");
        for (found, expected) in found.prefix_recall_at_10.iter().zip(recall) {
            assert!((found - expected / 5.0).abs() < 1e-9);
        }
        // at most four prefixes of one code are all among the first ten
        assert!((found.prefix_recall_at_10[0] - 1.0).abs() < 1e-12);
        assert!(found.prefix_recall_at_10[1] < 1.0);

        let ranking = Ranking { search: Search::Exact, ..config.ranking() };
        let histories: Vec<&[u32]> = examples.iter().map(|it| &it.history[..]).collect();
        let both = ranking.both(&model, catalogue, &histories, &monitor, "test").unwrap();
        for mask_history in [false, true] {
            let rankings: Vec<&Vec<u32>> = both.iter().map(|it| it.get(mask_history)).collect();
            let expected = judge(&examples, &rankings, &sids).item;
            assert_eq!(*found.exact.get(mask_history), expected);
        }
    }
}
