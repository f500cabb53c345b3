use super::*;

/// SIDs (4,4) (1,2) (1,7) and a second item on (1,2).
const CODES: [[u16; 2]; 4] = [[4, 4], [1, 2], [1, 7], [1, 2]];

fn items() -> Items {
    Items::from_rows(Vec::new(), &["a", "b", "c", "d"].into_iter().collect())
}

fn train() -> Histories {
    let mut train = Histories::default();
    // item 0 three times, item 1 once, items 2 and 3 never
    train.push(&[0, 0, 1]);
    train.push(&[0]);
    train
}

/// The rewards of the completions (4,4) (1,2) (1,7); the second is the target.
fn of_group(weights: &str) -> GroupRewards {
    let config: RewardsConfig = toml::from_str(weights).unwrap();
    let rewards = Rewards::new(&config, &items(), &train(), CODES.len()).unwrap();
    let sids = SidTable::new(vec![10; 2], CODES.concat()).unwrap();
    let trie = Trie::new(&sids);
    let leaves = [0, 1, 2].map(|item| trie.walk(sids.sid(item)).unwrap());
    rewards.of_group(&Completions {
        leaves: &leaves,
        hits: &[false, true, false],
        structural_scores: &[0.0, 1.0, 0.1],
        sids: &sids,
        trie: &trie,
    })
}

#[test]
fn the_default_is_one_for_a_hit() {
    let found = of_group("");
    assert_eq!(found, GroupRewards { totals: vec![0.0, 1.0, 0.0], means: vec![1.0 / 3.0] });
}

#[test]
fn prefix_is_the_structural_score() {
    assert_eq!(of_group("hit = 0\nprefix = 1").totals, [0.0, 1.0, 0.1]);
}

#[test]
fn ranking_is_that_of_core() {
    let mut penalties = [0.0; 3];
    ranking_rewards(&[false, true, false], &mut penalties);
    assert!(penalties[0] < 0.0);
    assert_eq!(of_group("hit = 0\nranking = 1").totals, penalties);
}

#[test]
fn diversity_is_read_off_the_semantic_ids() {
    // (1,2) and (1,7) share one of two codes, (4,4) none
    assert_eq!(of_group("hit = 0\ndiversity = 1").totals, [1.0, 0.75, 0.75]);
}

#[test]
fn items_of_one_semantic_id_share_their_mean_popularity() {
    let once = (2_f64.ln() / 4_f64.ln()) as f32;
    assert_eq!(of_group("hit = 0\npopularity = 1").totals, [1.0, once / 2.0, 0.0]);
}

#[test]
fn the_sum_is_weighted_and_means_are_not() {
    let found = of_group("hit = 2\nprefix = 0.5\ndiversity = -1");
    assert_eq!(found.totals, [-1.0, 2.0 + 0.5 - 0.75, 0.5 * 0.1 - 0.75]);
    let mean = |rewards: [f32; 3]| rewards.iter().sum::<f32>() / 3.0;
    let expected = [[0.0, 1.0, 0.0], [0.0, 1.0, 0.1], [1.0, 0.75, 0.75]].map(mean);
    assert_eq!(found.means, expected);
}

#[test]
fn names_are_the_keys_of_the_configuration() {
    let weights = "hit = 1\nranking = 1\nprefix = 1\ndiversity = 1\npopularity = 1";
    let config: RewardsConfig = toml::from_str(weights).unwrap();
    let rewards = Rewards::new(&config, &items(), &train(), CODES.len()).unwrap();
    let names: Vec<String> = rewards.names().collect();
    assert_eq!(names, ["hit", "ranking", "prefix", "diversity", "popularity"]);
    assert_eq!(Reward::Value("price".to_owned()).setting(), "rl.rewards.value.price");
}

#[test]
fn a_value_that_the_items_lack_is_refused_by_its_key() {
    let config: RewardsConfig = toml::from_str("value = { price = 1 }").unwrap();
    let refused = [
        config.check_items(&items()).unwrap_err(),
        Rewards::new(&config, &items(), &train(), CODES.len()).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(
            error.to_string(),
            "config key 'rl.rewards.value.price': no item of the items file has a number under \
             'price'; name an items file with numbers by data.items"
        );
    }
}
