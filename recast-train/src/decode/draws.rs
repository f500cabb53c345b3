//! The random numbers of a rollout: a function of a prompt's stream and of a place in its group.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// One stream for each prompt of a batch.
///
/// The numbers of a level and a place begin at a position of their own in the stream. A draw
/// therefore depends neither on the batch, nor on the group's size, nor on the trie's width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draws<'a>(&'a [ChaCha8Rng]);

impl<'a> Draws<'a> {
    /// # Panics
    ///
    /// If there is not one stream for each prompt.
    pub(super) fn new(streams: &'a [ChaCha8Rng], prompts: usize) -> Self {
        assert_eq!(streams.len(), prompts, "one stream of random numbers for each prompt");
        Self(streams)
    }

    /// A number in (0, 1], a multiple of 2^-24; each such number is exact in `f32`.
    pub(super) fn uniform(self, prompt: usize, level: usize, place: usize) -> f32 {
        let number = self.at(prompt, level, place).next_u32() >> 8;
        (number + 1) as f32 * (-24_f32).exp2()
    }

    /// Standard Gumbel numbers, `-ln(-ln u)`, one for each child of the beam at a place.
    pub(super) fn gumbels(
        self,
        prompt: usize,
        level: usize,
        place: usize,
    ) -> impl Iterator<Item = f32> {
        let mut stream = self.at(prompt, level, place);
        std::iter::repeat_with(move || {
            let u = (f64::from(stream.next_u32()) + 0.5) * (-32_f64).exp2();
            -(-u.ln()).ln() as f32
        })
    }

    /// The stream at the first number of a level and place. Each of 2^24 places has 2^16 numbers,
    /// one for each code that may follow.
    fn at(self, prompt: usize, level: usize, place: usize) -> ChaCha8Rng {
        let mut stream = self.0[prompt].clone();
        stream.set_word_pos((level as u128) << 40 | (place as u128) << 16);
        stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn every_prompt_level_and_place_has_numbers_of_its_own() {
        let streams = [0, 1].map(|prompt| stream(1, Purpose::Rollout, prompt));
        let draws = Draws::new(&streams, 2);
        let places = {
            let levels = (0..2).flat_map(|prompt| (0..3).map(move |level| (prompt, level)));
            levels.flat_map(|(prompt, level)| (0..4).map(move |place| (prompt, level, place)))
        };
        let mut numbers: Vec<u32> = places
            .flat_map(|(prompt, level, place)| draws.gumbels(prompt, level, place).take(100))
            .map(f32::to_bits)
            .collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        // 2,400 numbers of 24 bits: a few may be equal by chance, but not those of a whole place
        assert!(count == 2400 && numbers.len() > count - 10, "{} of {count}", numbers.len());
    }

    #[test]
    fn gumbel_numbers_have_the_mean_and_variance_of_their_distribution() {
        let streams = [stream(1, Purpose::Rollout, 0)];
        let draws = Draws::new(&streams, 1);
        let (n, euler) = (60_000_u32, 0.577_215_664_9);
        let numbers = || draws.gumbels(0, 0, 0).take(n as usize).map(f64::from);
        let mean = numbers().sum::<f64>() / f64::from(n);
        let variance = numbers().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
        // within 4 standard deviations of each moment; the fourth central moment is 14.6
        let expected = std::f64::consts::PI.powi(2) / 6.0;
        assert!((mean - euler).abs() < 4.0 * (expected / f64::from(n)).sqrt(), "{mean}");
        assert!((variance - expected).abs() < 4.0 * (11.9 / f64::from(n)).sqrt(), "{variance}");
    }

    #[test]
    fn uniform_numbers_are_above_zero_and_at_most_one() {
        let streams = [stream(1, Purpose::Rollout, 0)];
        let draws = Draws::new(&streams, 1);
        let numbers: Vec<f32> = (0..10_000).map(|place| draws.uniform(0, 0, place)).collect();
        assert!(numbers.iter().all(|&u| u > 0.0 && u <= 1.0));
        let mean = numbers.iter().sum::<f32>() / 10_000.0;
        assert!((mean - 0.5).abs() < 4.0 * (1.0_f32 / 12.0 / 10_000.0).sqrt(), "{mean}");
    }
}
