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

    /// A number in (0, 1], a multiple of 2^-24: all of them are exact in `f32`.
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

    /// The stream where the numbers of a level and place begin: 2^16 for each of 2^24 places, one
    /// for each code that may follow.
    fn at(self, prompt: usize, level: usize, place: usize) -> ChaCha8Rng {
        let mut stream = self.0[prompt].clone();
        stream.set_word_pos((level as u128) << 40 | (place as u128) << 16);
        stream
    }
}
