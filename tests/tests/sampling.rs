//! Sampled rollouts follow the exact scorer's distribution, on every device alike.

use burn::module::Module;
use recast_burn::device::is_cpu;
use recast_train::catalogue::{Node, SidTable, Trie};
use recast_train::decode::{
    Completion, DeviceTrie, Rollout, RolloutConfig, RolloutKind, Searcher, beam_search,
    device_rollout, leaf_log_probs, rollout,
};
use recast_train::model::Decoder;
use recast_train::random::{Purpose, stream};

use crate::decoder::{catalogue, decoder, decoder_of_items, deep_catalogue, leaves, prompt};
use crate::device::devices;
use crate::numbers::assert_all_close;
use crate::tolerance::{DECODER, GPU_DRAWS, SIGMAS, on};

tests![
    draws_have_the_frequencies_of_the_exact_distribution,
    draws_without_replacement_have_the_frequencies_of_the_exact_distribution,
    every_completion_is_legal_and_has_the_policys_log_probability,
    gumbel_completions_are_distinct_and_all_where_the_group_is_wider_than_the_trie,
    a_prompts_draws_depend_on_its_stream_alone,
    a_wider_group_begins_with_the_narrower,
    the_device_draws_what_the_host_draws,
    near_temperature_zero_the_first_draw_is_greedy,
];

const SEED: u64 = 5;

/// The prompts of groups, of several lengths.
const PROMPTS: [&[u32]; 4] = [&[3, 14, 15], &[9], &[26, 5, 35, 8, 9, 7, 9], &[32, 3]];

/// The number of draws, or of groups of draws without replacement, for a frequency.
const DRAWS: usize = 100_000;

/// Leaves with fewer expected draws count together: the bound is that of the normal distribution,
/// which small counts do not follow.
const RARE: f64 = 25.0;

fn sample(temperature: f64, top_k: usize, top_p: f64) -> RolloutConfig {
    let mut config = RolloutConfig::default();
    config.rollout = RolloutKind::Sample;
    (config.temperature, config.top_k, config.top_p) = (temperature, top_k, top_p);
    config
}

fn gumbel(temperature: f64) -> RolloutConfig {
    let mut config = RolloutConfig::default();
    (config.rollout, config.temperature) = (RolloutKind::Gumbel, temperature);
    config
}

fn checked(config: RolloutConfig) -> Rollout {
    config.rollout().expect("settings in range")
}

/// A setting of each kind, and each truncation.
fn rollouts() -> [RolloutConfig; 6] {
    let (alone, truncated) = (sample(1.0, 0, 1.0), sample(1.6, 3, 0.8));
    [alone, truncated, sample(1.0, 2, 1.0), sample(1.4, 0, 0.85), gumbel(1.0), gumbel(1.8)]
}

struct Setting {
    name: String,
    table: SidTable,
    trie: Trie,
    model: Decoder,
}

/// A frozen decoder of codes and one of items on every device, over one catalogue each.
fn settings() -> impl Iterator<Item = Setting> {
    devices().flat_map(|(device_name, device)| {
        [(catalogue(), true), (deep_catalogue(), false)].map(move |((table, trie), of_codes)| {
            let decoder = if of_codes { decoder } else { decoder_of_items };
            let model = decoder(&table, &device).valid();
            let name = format!("{device_name}, {} levels", trie.levels());
            Setting { name, table, trie, model }
        })
    })
}

/// Every device with one of the two catalogues, in alternation.
fn one_of_each_device() -> impl Iterator<Item = Setting> {
    settings().enumerate().filter(|(i, _)| i % 2 == i / 2 % 2).map(|(_, setting)| setting)
}

impl Setting {
    fn prompts(&self) -> Vec<Vec<u32>> {
        PROMPTS.iter().map(|items| prompt(&self.model, &self.table, items)).collect()
    }

    /// Groups of prompts, each from the stream of its number.
    fn groups(
        &self,
        prompts: &[(u64, Vec<u32>)],
        width: usize,
        config: RolloutConfig,
        on_device: bool,
    ) -> Vec<Vec<Completion>> {
        let Self { model, trie, .. } = self;
        let streams: Vec<_> =
            prompts.iter().map(|&(number, _)| stream(SEED, Purpose::Rollout, number)).collect();
        let prompts: Vec<&[u32]> = prompts.iter().map(|(_, prompt)| &prompt[..]).collect();
        let rollout_of = checked(config);
        if on_device {
            let trie = DeviceTrie::new(trie, &model.device());
            device_rollout(model, &trie, &prompts, width, &rollout_of, &streams)
        } else {
            rollout(model, trie, &prompts, width, &rollout_of, &streams)
        }
    }

    /// Asserts that two groups hold equal draws: all draws on a CPU. A GPU rounds differently in
    /// each batch, which may change a draw at the edge of two codes.
    fn assert_same_draws(&self, found: &[Completion], expected: &[Completion], name: &str) {
        assert_eq!(found.len(), expected.len(), "{name}");
        if is_cpu(&self.model.device()) {
            assert_eq!(found_leaves(found), found_leaves(expected), "{name}");
            let log_probs = [found, expected].map(log_probs);
            assert_all_close(&log_probs[0], &log_probs[1], DECODER, name);
        } else {
            let same = found.iter().zip(expected).filter(|(a, b)| a.leaf == b.leaf).count();
            assert!(same as f64 >= GPU_DRAWS * found.len() as f64, "{name}: {same} draws alike");
        }
    }
}

fn numbered(prompts: Vec<Vec<u32>>) -> Vec<(u64, Vec<u32>)> {
    (0..).zip(prompts).collect()
}

fn found_leaves(completions: &[Completion]) -> Vec<Node> {
    completions.iter().map(|completion| completion.leaf).collect()
}

fn log_probs(completions: &[Completion]) -> Vec<f32> {
    completions.iter().map(|completion| completion.log_prob).collect()
}

/// The probability of every leaf by the exact scorer, with temperature and truncation at each
/// level.
fn exact(model: &Decoder, trie: &Trie, prompt: &[u32], config: RolloutConfig) -> Vec<f64> {
    let mut mass = vec![0.0; trie.n_nodes()];
    for (leaf, log_prob) in leaves(trie).iter().zip(&leaf_log_probs(model, trie, &[prompt])[0]) {
        for node in trie.path(*leaf) {
            mass[node.index() as usize] += f64::from(*log_prob).exp();
        }
    }
    let mut probability = vec![1.0; trie.n_nodes()];
    for node in (0..trie.nodes_at(trie.levels()).start).filter_map(|index| trie.node(index)) {
        let children = trie.children(node).start as usize..trie.children(node).end as usize;
        let drawn = truncated(&mass[children.clone()], config);
        for (child, share) in children.zip(drawn) {
            probability[child] = probability[node.index() as usize] * share;
        }
    }
    probability.split_off(trie.nodes_at(trie.levels()).start as usize)
}

/// The probability of each code under a setting, from the weights of the codes.
fn truncated(weights: &[f64], config: RolloutConfig) -> Vec<f64> {
    let RolloutConfig { temperature, top_k, top_p, .. } = config;
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
    if top_k > 0 {
        order.truncate(top_k);
    }
    let heated: Vec<f64> = weights.iter().map(|weight| weight.powf(1.0 / temperature)).collect();
    let mass = |codes: &[usize]| codes.iter().map(|&code| heated[code]).sum::<f64>();
    let enough = (1..=order.len()).find(|&n| mass(&order[..n]) >= top_p * mass(&order));
    order.truncate(enough.unwrap_or(order.len()));
    let mut drawn = vec![0.0; heated.len()];
    order.iter().for_each(|&code| drawn[code] = heated[code] / mass(&order));
    drawn
}

/// Asserts that the frequencies of leaves equal their probabilities, within [`SIGMAS`].
fn assert_frequencies(counts: &[usize], probabilities: &[f64], draws: usize, name: &str) {
    assert_eq!(counts.iter().sum::<usize>(), draws, "{name}");
    let (mut rare, mut bins) = ((0, 0.0), Vec::new());
    for (&count, &probability) in counts.iter().zip(probabilities) {
        assert!(probability > 0.0 || count == 0, "{name}: a leaf left out was drawn");
        if probability * (draws as f64) < RARE {
            rare = (rare.0 + count, rare.1 + probability);
        } else {
            bins.push((count, probability));
        }
    }
    assert!(bins.len() > 3, "{name}: too few leaves to tell");
    if rare.1 * draws as f64 > RARE {
        bins.push(rare);
    }
    for (count, probability) in bins {
        let expected = probability * draws as f64;
        let deviation = (expected * (1.0 - probability)).sqrt();
        let off = (count as f64 - expected) / deviation;
        assert!(off.abs() < SIGMAS, "{name}: {count} draws of {expected}, {off} deviations off");
    }
}

/// The draws of each leaf at each place of a group, over `groups` groups of `width`.
fn counts(
    setting: &Setting,
    prompt: &[u32],
    config: RolloutConfig,
    [groups, width, batch]: [usize; 3],
) -> Vec<Vec<usize>> {
    let Setting { trie, model, .. } = setting;
    let searcher = Searcher::new(model, trie);
    let first_leaf = trie.nodes_at(trie.levels()).start;
    let mut counts = vec![vec![0; leaves(trie).len()]; width];
    for start in (0..groups).step_by(batch) {
        let numbers = start..groups.min(start + batch);
        let prompts = vec![prompt; numbers.len()];
        let streams: Vec<_> =
            numbers.map(|number| stream(SEED, Purpose::Rollout, number as u64)).collect();
        for group in searcher.rollout(&checked(config), &prompts, width, &streams) {
            assert_eq!(group.len(), width);
            for (counts, completion) in counts.iter_mut().zip(group) {
                counts[(completion.leaf.index() - first_leaf) as usize] += 1;
            }
        }
    }
    counts
}

fn draws_have_the_frequencies_of_the_exact_distribution() {
    for setting in one_of_each_device() {
        let Setting { name, table, trie, model } = &setting;
        let prompt = prompt(model, table, &[9]);
        for config in rollouts().into_iter().filter(|c| c.rollout == RolloutKind::Sample) {
            let probabilities = exact(model, trie, &prompt, config);
            let places = counts(&setting, &prompt, config, [DRAWS / 10, 10, 500]);
            let of_leaf = |leaf| places.iter().map(|counts| counts[leaf]).sum();
            let counts: Vec<usize> = (0..probabilities.len()).map(of_leaf).collect();
            let name = format!("{name}, {config:?}");
            assert_frequencies(&counts, &probabilities, DRAWS, &name);
        }
    }
}

/// The probability of each leaf to be the first, second and third of draws without replacement.
fn without_replacement(p: &[f64]) -> [Vec<f64>; 3] {
    let leaves = 0..p.len();
    let mut found = [p.to_vec(), vec![0.0; p.len()], vec![0.0; p.len()]];
    for a in leaves.clone() {
        for b in leaves.clone().filter(|&b| b != a) {
            let both = p[a] * p[b] / (1.0 - p[a]);
            found[1][b] += both;
            for c in leaves.clone().filter(|&c| c != a && c != b) {
                found[2][c] += both * p[c] / (1.0 - p[a] - p[b]);
            }
        }
    }
    found
}

fn draws_without_replacement_have_the_frequencies_of_the_exact_distribution() {
    for setting in one_of_each_device() {
        let Setting { name, table, trie, model } = &setting;
        let prompt = prompt(model, table, &[9]);
        for config in rollouts().into_iter().filter(|c| c.rollout == RolloutKind::Gumbel) {
            let expected = without_replacement(&exact(model, trie, &prompt, config));
            let counts = counts(&setting, &prompt, config, [DRAWS, 3, 1000]);
            for (place, (counts, expected)) in counts.iter().zip(&expected).enumerate() {
                let name = format!("{name}, {config:?}, place {place}");
                assert_frequencies(counts, expected, DRAWS, &name);
            }
        }
    }
}

fn every_completion_is_legal_and_has_the_policys_log_probability() {
    for setting in settings() {
        let Setting { name, table, trie, model } = &setting;
        let first_leaf = trie.nodes_at(trie.levels()).start;
        let prompts = setting.prompts();
        let slices: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let exact = leaf_log_probs(model, trie, &slices);
        for (config, on_device) in
            rollouts().into_iter().flat_map(|config| [(config, false), (config, true)])
        {
            let groups = setting.groups(&numbered(prompts.clone()), 12, config, on_device);
            for (group, exact) in groups.iter().zip(&exact) {
                assert_eq!(group.len(), 12);
                let expected: Vec<f32> = found_leaves(group)
                    .iter()
                    .map(|&leaf| {
                        let item = trie.items(leaf)[0];
                        assert_eq!(trie.walk(table.sid(item)), Some(leaf));
                        exact[(leaf.index() - first_leaf) as usize]
                    })
                    .collect();
                let tolerance = on(&model.device(), DECODER);
                assert_all_close(&log_probs(group), &expected, tolerance, name);
            }
        }
    }
}

fn gumbel_completions_are_distinct_and_all_where_the_group_is_wider_than_the_trie() {
    for setting in settings() {
        let count = leaves(&setting.trie).len();
        // at 1e20 all codes are about equally likely, at 1e-4 one code has all of the probability
        for (temperature, on_device) in
            [1.0, 1e20, 1e-4].into_iter().flat_map(|t| [(t, false), (t, true)])
        {
            for width in [1, 7, count, count + 9, usize::MAX] {
                let prompts = numbered(setting.prompts());
                for group in setting.groups(&prompts, width, gumbel(temperature), on_device) {
                    let mut leaves = found_leaves(&group);
                    leaves.sort_unstable();
                    leaves.dedup();
                    let name = format!("{}, width {width}, {temperature}", setting.name);
                    assert_eq!(
                        (leaves.len(), group.len()),
                        (width.min(count), leaves.len()),
                        "{name}"
                    );
                }
            }
        }
    }
}

fn a_prompts_draws_depend_on_its_stream_alone() {
    for setting in settings() {
        let prompts = numbered(setting.prompts());
        let mut reversed = prompts.clone();
        reversed.reverse();
        for (config, on_device) in
            rollouts().into_iter().flat_map(|config| [(config, false), (config, true)])
        {
            let name = format!("{}, {config:?}, search on it: {on_device}", setting.name);
            let groups = |prompts: &[_]| setting.groups(prompts, 10, config, on_device);
            let together = groups(&prompts);
            let mut backwards = groups(&reversed);
            backwards.reverse();
            let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build();
            let one_thread = one_thread.expect("a thread").install(|| groups(&prompts));
            for (i, prompt) in prompts.iter().enumerate() {
                let alone = &groups(std::slice::from_ref(prompt))[0];
                for batched in [&together[i], &backwards[i], &one_thread[i]] {
                    setting.assert_same_draws(batched, alone, &name);
                }
            }
            let other = groups(&[(prompts.len() as u64, prompts[0].1.clone())]);
            assert_ne!(found_leaves(&other[0]), found_leaves(&together[0]), "{name}");
        }
    }
}

fn a_wider_group_begins_with_the_narrower() {
    for setting in settings() {
        let prompts = numbered(setting.prompts());
        for config in rollouts() {
            let [narrow, wide] =
                [5, 11].map(|width| setting.groups(&prompts, width, config, false));
            for (narrow, wide) in narrow.iter().zip(&wide) {
                let name = format!("{}, {config:?}", setting.name);
                setting.assert_same_draws(&wide[..5], narrow, &name);
            }
        }
    }
}

fn the_device_draws_what_the_host_draws() {
    for setting in settings() {
        let prompts = numbered(setting.prompts());
        for config in rollouts() {
            for width in [1, 6, 60] {
                let [host, device] = [false, true]
                    .map(|on_device| setting.groups(&prompts, width, config, on_device));
                for (host, device) in host.iter().zip(&device) {
                    let name = format!("{}, {config:?}, width {width}", setting.name);
                    setting.assert_same_draws(device, host, &name);
                }
            }
        }
    }
}

fn near_temperature_zero_the_first_draw_is_greedy() {
    for setting in settings() {
        let prompts = setting.prompts();
        let slices: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let greedy = beam_search(&setting.model, &setting.trie, &slices, 1);
        let near_zero = [1e-4, 1e-30].into_iter().flat_map(|t| [sample(t, 0, 1.0), gumbel(t)]);
        let one = [sample(1.0, 1, 1.0), sample(1.0, 0, 1e-6), RolloutConfig::default()];
        for (config, on_device) in
            near_zero.chain(one).flat_map(|config| [(config, false), (config, true)])
        {
            let groups = setting.groups(&numbered(prompts.clone()), 1, config, on_device);
            for (group, greedy) in groups.iter().zip(&greedy) {
                let name = format!("{}, {config:?}", setting.name);
                setting.assert_same_draws(group, greedy, &name);
            }
        }
    }
}
