//! The settings of ReCast's negative, for groups and for batches.

use proptest::prelude::*;
use recast_core::batch::{Batch, BatchError, BatchOutcome};
use recast_core::signal::{NegativeRule, Recast};
use recast_core::{Outcome, Signal};

use crate::groups::{drawn, negatives, owned, select};

proptest! {
    // Which groups train, and with which positive, depends on no setting of the negative.
    #[test]
    fn the_settings_of_a_negative_change_the_negative_alone(owned in owned(), draw in any::<u64>()) {
        let pair = select(Signal::recast(), owned.group());
        let positive = |kept: &(usize, f64)| kept.1 > 0.0;
        for signal in negatives().map(Signal::Recast).chain([drawn()]) {
            let found = select(signal, owned.group().with_draw(draw));
            let (Ok(found), Ok(pair)) = (&found, &pair) else {
                prop_assert_eq!(found, pair.clone());
                continue;
            };
            let of = |selection: &[(usize, f64)]| selection.iter().copied().find(positive);
            prop_assert_eq!(of(found), of(pair));
            prop_assert!(found.len() <= 2);
            if let Signal::Recast(Recast { negative_weight, negative, .. }) = signal {
                let kept = found.iter().find(|kept| !positive(kept));
                let hardest = pair.iter().find(|kept| !positive(kept)).expect("a pair");
                let shares = owned.scores[hardest.0] > 0.0;
                let trains = negative_weight > 0.0
                    && (negative == NegativeRule::Always || shares);
                prop_assert_eq!(kept.is_some(), trains);
                prop_assert!(kept.is_none_or(|kept| kept.1 == -negative_weight));
            }
        }
    }

    #[test]
    fn a_drawn_negative_is_any_miss_with_equal_probability(owned in owned()) {
        let misses: Vec<_> =
            (0..owned.rewards.len()).filter(|&slot| owned.rewards[slot] == 0.0).collect();
        for (place, &miss) in misses.iter().enumerate() {
            // the middle of the draws of this place
            let draw = (u128::from(u64::MAX) * (2 * place as u128 + 1)) / (2 * misses.len() as u128);
            let group = owned.group().with_draw(draw as u64);
            if let Ok(selection) = select(drawn(), group) {
                prop_assert!(selection.contains(&(miss, -1.0)));
            }
        }
    }

    #[test]
    fn a_batch_reads_the_draw_and_the_codes_of_each_group(
        owned in owned(),
        draws in any::<[u64; 3]>(),
        codes in proptest::collection::vec(0_usize..2, 48),
    ) {
        let size = owned.rewards.len();
        let columns = [&owned.rewards, &owned.scores, &owned.old_log_probs].map(|c| c.repeat(3));
        let offsets: Vec<_> = (0..=3).map(|group| group * size).collect();
        let batch = Batch::new(&offsets, &columns[0], &columns[1], Some(&columns[2])).unwrap();
        let refused = Err(BatchError::DrawCount { groups: 3, draws: 2 });
        prop_assert_eq!(batch.with_draws(&draws[..2]), refused);
        let refused = BatchError::FirstCodeCount { rewards: 3 * size, codes: 0 };
        prop_assert_eq!(batch.with_first_codes(&[]), Err(refused));
        let codes = &codes[..3 * size];
        let batch = batch.with_draws(&draws).unwrap().with_first_codes(codes).unwrap();
        let rule = Recast { negative: NegativeRule::SharedPrefix, ..Recast::default() };
        for signal in [drawn(), Signal::Recast(rule)] {
            let (mut kept, mut advantages) = (vec![0; 3 * size], vec![0.0; 3 * size]);
            let mut outcomes = vec![BatchOutcome::default(); 3];
            signal.select_batch(batch, &mut kept, &mut advantages, &mut outcomes);
            let found = batch.outcomes(&kept, &advantages, &outcomes);
            for (group, outcome) in found.enumerate() {
                let codes = &codes[group * size..][..size];
                let alone = owned.group().with_draw(draws[group]).with_first_codes(codes).unwrap();
                let found = match outcome {
                    Outcome::Trained(selection) => {
                        let kept = selection.kept.iter().copied();
                        Ok(kept.zip(selection.advantages.iter().copied()).collect())
                    }
                    Outcome::Skipped(skip) => Err(skip),
                };
                prop_assert_eq!(found, select(signal, alone));
            }
        }
    }
}
