//! Seeded random streams: all randomness of the program comes from here, passed as data.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The use of a stream of random numbers. The numbers are part of the format: a change is
/// value-breaking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// The synthetic catalogue and its users.
    Catalogue = 1,
    /// Item embeddings made from the data.
    Embedding = 2,
    /// The first centroids of residual k-means.
    Centroids = 3,
    /// The decoder's first weights.
    Weights = 4,
    /// The order of training sequences; one stream an epoch.
    Order = 5,
    /// Dropout masks: step s plus 2^32 times the number of the micro-batch.
    Dropout = 6,
    /// The prompts of reinforcement learning; one stream a pass over them.
    Prompts = 7,
    /// The validation prompts, if only some are used.
    Validation = 8,
    /// The order of a user's interactions of one timestamp.
    Ties = 9,
    /// RQ-VAE: stream 0 draws the first weights, stream 2 e the order of items in epoch e. Stream
    /// 2 e + 1 draws the items that unused codes are set on in epoch e.
    RqVae = 10,
    /// The items whose neighbours judge a tokenizer.
    Neighbours = 11,
    /// The completions of a prompt; one stream for each prompt of the endless order.
    Rollout = 12,
    /// The target of an anchor, then a uniform negative; one stream for each prompt of the endless
    /// order.
    Anchor = 13,
    /// The items beside a step's targets in the items' cross-entropy; one stream an optimiser step.
    Candidates = 14,
    /// The seeds and users of a bootstrap; one stream a draw.
    Bootstrap = 15,
    /// Shuffled targets of prompts.
    Targets = 16,
}

impl Purpose {
    /// Every purpose, in the order of its number.
    pub const ALL: [Self; 16] = [
        Self::Catalogue,
        Self::Embedding,
        Self::Centroids,
        Self::Weights,
        Self::Order,
        Self::Dropout,
        Self::Prompts,
        Self::Validation,
        Self::Ties,
        Self::RqVae,
        Self::Neighbours,
        Self::Rollout,
        Self::Anchor,
        Self::Candidates,
        Self::Bootstrap,
        Self::Targets,
    ];
}

/// The generator of one purpose and index (an epoch, a step, a level). Equal arguments give equal
/// numbers.
#[must_use]
pub fn stream(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(((purpose as u64) << 48) | index);
    rng
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::Rng;

    #[test]
    fn purposes_are_listed_by_their_numbers() {
        for (index, purpose) in Purpose::ALL.into_iter().enumerate() {
            assert_eq!(purpose as usize, index + 1);
        }
    }

    #[test]
    fn equal_arguments_give_equal_numbers_and_others_do_not() {
        let first = |seed, purpose, index| stream(seed, purpose, index).next_u64();
        assert_eq!(first(7, Purpose::Order, 3), first(7, Purpose::Order, 3));
        assert_ne!(first(7, Purpose::Order, 3), first(7, Purpose::Order, 4));
        assert_ne!(first(7, Purpose::Order, 3), first(7, Purpose::Dropout, 3));
        assert_ne!(first(7, Purpose::Order, 3), first(8, Purpose::Order, 3));
    }
}
