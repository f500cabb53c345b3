use super::*;
use crate::data::{PrepareOptions, Split, SplitKind, TieOrder, prepare};
use crate::evaluate::baselines::ItemKnn;

const ALL: PrepareOptions = PrepareOptions { min_user: 0, min_item: 0, tie_order: TieOrder::File };

fn split(shop: &Synthetic) -> Split {
    let (sequences, _) = prepare(shop.interactions(), &ALL, 1).unwrap();
    assert_eq!(sequences.n_items(), shop.n_items());
    assert!(sequences.item_rows.iter().copied().eq(0..600), "catalogue order is kept");
    Split::new(&sequences, SplitKind::LeaveOneOut).unwrap()
}

fn pass_at_1(examples: &[Example], rank: impl Fn(&[u32]) -> Vec<u32>) -> f64 {
    let hits = examples.iter().filter(|it| rank(&it.history) == it.targets).count();
    hits as f64 / examples.len() as f64
}

#[test]
fn equal_seeds_give_equal_data_and_others_do_not() {
    let config = SyntheticConfig { users: 50, ..SyntheticConfig::default() };
    let log = |seed| Synthetic::generate(&config, seed).unwrap().interactions();
    assert_eq!(log(1), log(1));
    assert_ne!(log(1), log(2));
}

#[test]
fn lengths_and_times_are_as_configured() {
    let (sequences, report) = prepare(
        Synthetic::generate(&SyntheticConfig::default(), 1).unwrap().interactions(),
        &ALL,
        1,
    )
    .unwrap();
    assert_eq!((report.users, report.items), (4000, 600));
    assert_eq!((report.shortest, report.longest), (6, 20));
    assert!((report.mean_length - 13.0).abs() < 0.3, "{}", report.mean_length);
    assert!(report.warnings.is_empty());
    assert!(Split::new(&sequences, SplitKind::GlobalTime { valid: 0.1, test: 0.1 }).is_ok());
}

#[test]
fn the_oracle_reaches_its_expectation_and_item_knn_does_not() {
    let shop = Synthetic::generate(&SyntheticConfig::default(), 11).unwrap();
    let split = split(&shop);
    let expected = shop.bayes_pass_at_1(&split.test).unwrap();
    let oracle = pass_at_1(&split.test, |history| shop.oracle_ranking(history, 1));
    let deviation = (expected * (1.0 - expected) / split.test.len() as f64).sqrt();
    assert!((oracle - expected).abs() < 4.0 * deviation, "{oracle} where {expected} is expected");
    assert!((0.35..0.5).contains(&expected), "{expected}");
    let knn = ItemKnn::fit(&split.train, shop.n_items());
    let knn = pass_at_1(&split.test, |history| knn.rank(history, 1, false));
    assert!(knn < 0.75 * expected, "item-kNN {knn} where {expected} is possible");
}

#[test]
fn a_longer_list_catches_more() {
    let shop = Synthetic::generate(&SyntheticConfig::default(), 1).unwrap();
    let examples = &split(&shop).test[..50];
    let pass = |k| shop.bayes_pass_at_k(examples, k).unwrap();
    assert!(pass(1) < pass(10) && pass(10) < 1.0);
    assert!((pass(600) - 1.0).abs() < 1e-9);
    assert_eq!(shop.bayes_pass_at_1(&[]), None);
}

#[test]
fn every_item_has_a_title() {
    let shop = Synthetic::generate(&SyntheticConfig::default(), 1).unwrap();
    let items = shop.items(&shop.interactions().items);
    assert_eq!((items.n_rows(), items.n_missing()), (600, 0));
    assert!(items.title(0).split(' ').count() >= 3, "{}", items.title(0));
}

#[test]
fn settings_out_of_range_are_named() {
    let default = SyntheticConfig::default;
    let message = |config: SyntheticConfig| config.check().unwrap_err().to_string();
    for (config, expected) in [
        (
            SyntheticConfig { users: 0, ..default() },
            "config key 'data.synthetic.users': 0 is not at least 1 and below 2^32; try the default",
        ),
        (
            SyntheticConfig { items: 610, ..default() },
            "config key 'data.synthetic.items': 610 items cannot be shared evenly among 6 departments \
                 of 5 categories; give a multiple of 30",
        ),
        (
            SyntheticConfig { moods: 30, ..default() },
            "config key 'data.synthetic.moods': 30 moods need more than 30 categories in all; lower it",
        ),
        (
            SyntheticConfig { companion: f64::NAN, ..default() },
            "config key 'data.synthetic.companion': NaN is not at least 0 and below 1; try the default",
        ),
        (
            SyntheticConfig { sibling: 0.1, ..default() },
            "config key 'data.synthetic.stay': 0.9 and sibling 0.1 leave no chance to jump; \
                 make their sum less than 1",
        ),
        (
            SyntheticConfig { zipf: -1.0, ..default() },
            "config key 'data.synthetic.zipf': -1 is not from 0 to 10; try the default",
        ),
        (
            SyntheticConfig { max_length: 5, ..default() },
            "config key 'data.synthetic.max_length': 5 is less than min_length 6; raise it",
        ),
    ] {
        assert_eq!(message(config), expected);
    }
}

#[test]
fn unknown_settings_are_refused() {
    let parsed = serde_json::from_str::<SyntheticConfig>("{\"user\": 3}");
    assert!(parsed.unwrap_err().to_string().contains("unknown field `user`"));
}
