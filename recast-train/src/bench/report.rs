//! Measurements, as a table and as JSON.

use std::fmt::{self, Display};

use recast_burn::vectors::Vectors;
use serde::Serialize;

use super::BenchConfig;
use crate::model::MemoryEstimate;
use crate::train::Layout;

/// The cost of one part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measurement {
    /// The part.
    pub name: String,
    /// The unit of the part's work.
    pub unit: &'static str,
    /// The number of units in one repetition.
    pub units: usize,
    /// Median seconds of a repetition.
    pub seconds: f64,
    /// The shortest repetition, in seconds.
    pub min_seconds: f64,
    /// The longest repetition, in seconds.
    pub max_seconds: f64,
    /// Floating-point operations of a repetition's matrix products; null for other work.
    pub flops: Option<f64>,
    /// Peak memory in bytes. On a CPU: the largest resident size of the whole process while the
    /// part ran. On a GPU: the size of the allocator's pools at the end. Null where the system
    /// tells none.
    pub peak_memory_bytes: Option<u64>,
    /// The estimated memory of training, beside the rest of the program; null for parts without
    /// one.
    pub estimated_memory_bytes: Option<u64>,
}

/// The work of one repetition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) unit: &'static str,
    pub(super) units: usize,
    pub(super) flops: Option<f64>,
    pub(super) memory: Option<MemoryEstimate>,
}

impl Load {
    pub(super) fn of(unit: &'static str, units: usize) -> Self {
        Self { unit, units, flops: None, memory: None }
    }
}

impl Measurement {
    /// # Panics
    ///
    /// If `seconds` is empty.
    pub(super) fn new(
        name: String,
        load: Load,
        mut seconds: Vec<f64>,
        peak_memory_bytes: Option<u64>,
    ) -> Self {
        seconds.sort_by(f64::total_cmp);
        let n = seconds.len();
        let median = 0.5 * (seconds[(n - 1) / 2] + seconds[n / 2]);
        let Load { unit, units, flops, memory } = load;
        Self {
            name,
            unit,
            units,
            seconds: median,
            min_seconds: seconds[0],
            max_seconds: seconds[n - 1],
            flops,
            peak_memory_bytes,
            estimated_memory_bytes: memory.map(MemoryEstimate::bytes),
        }
    }
}

impl Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.units as f64 / self.seconds;
        write!(
            f,
            "{:<34} {:>10.3} ms {:>10.3} to {:>9.3} {:>12.0} {}/s",
            self.name,
            1e3 * self.seconds,
            1e3 * self.min_seconds,
            1e3 * self.max_seconds,
            rate,
            self.unit
        )
    }
}

/// The cost of one part relative to another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ratio {
    /// Completions of a group.
    pub group_size: usize,
    /// The part in the numerator.
    pub of: String,
    /// The part in the denominator.
    pub to: String,
    /// Seconds of the part `of` over seconds of the part `to`.
    pub ratio: f64,
}

/// The inputs of the measurements.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// The requested sizes.
    #[serde(flatten)]
    pub config: BenchConfig,
    /// Weights of the decoder.
    pub parameters: usize,
    /// Bytes of the trie.
    pub trie_bytes: usize,
}

/// Completions that were looked up in the table of semantic IDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Legality {
    /// The number of completions.
    pub completions: usize,
    /// The number of completions that name no item.
    pub illegal: usize,
}

/// The share of training that checkpoints take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckpointShare {
    /// The step of this training.
    pub of: String,
    /// Steps between two checkpoints.
    pub every_steps: usize,
    /// The share of the time, from 0 to 1.
    pub share: f64,
}

/// Steps between two checkpoints in [`CheckpointShare`].
const STEPS: usize = 100;

/// The names of a checkpoint and of a supervised step.
pub(super) const CHECKPOINT: &str = "checkpoint";
pub(super) const SUPERVISED_STEP: &str = "supervised step";

/// All measurements of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchReport {
    /// The version of the program.
    pub version: &'static str,
    /// The device's name.
    pub device: String,
    /// CPU threads.
    pub threads: usize,
    /// The vector instructions of CPU kernels; a GPU's kernels use none of these.
    pub vectors: &'static str,
    /// The reference of utilisation in floating-point operations a second: measured or given.
    pub reference_flops: f64,
    /// The inputs of the measurements.
    pub settings: Settings,
    /// The parts, in the order they ran.
    pub measurements: Vec<Measurement>,
    /// Parts relative to others.
    pub ratios: Vec<Ratio>,
    /// The share of training that checkpoints take.
    pub checkpoints: Vec<CheckpointShare>,
    /// The legality of completions; null if none were looked up.
    pub legality: Option<Legality>,
}

impl BenchReport {
    pub(super) fn new(
        settings: Settings,
        reference_flops: f64,
        measurements: Vec<Measurement>,
        legality: Option<Legality>,
    ) -> Self {
        let seconds = |name: &str| measurements.iter().find(|m| m.name == name).map(|m| m.seconds);
        let row_wise_grpo = update_name("GRPO", Layout::RowWise);
        let pairs = [
            (row_wise_grpo.clone(), update_name("ReCast", Layout::Packed)),
            (row_wise_grpo, update_name("ReCast", Layout::RowWise)),
            (update_name("GRPO", Layout::Packed), update_name("ReCast", Layout::Packed)),
            (rl_step_name("GRPO"), rl_step_name("ReCast")),
            (rollout_name(true).to_owned(), rollout_name(false).to_owned()),
        ];
        let mut ratios = Vec::new();
        for &group_size in &settings.config.group_sizes {
            let of_size = |name: &str| seconds(&format!("{name}, G = {group_size}"));
            for (of, to) in pairs.clone() {
                if let (Some(a), Some(b)) = (of_size(&of), of_size(&to)) {
                    ratios.push(Ratio { group_size, of, to, ratio: a / b });
                }
            }
        }
        let checkpoint = seconds(CHECKPOINT);
        let is_step =
            |m: &&Measurement| m.name == SUPERVISED_STEP || m.name.starts_with(&rl_step_name(""));
        let share = |m: &Measurement| {
            let checkpoint = checkpoint?;
            let share = checkpoint / (checkpoint + STEPS as f64 * m.seconds);
            Some(CheckpointShare { of: m.name.clone(), every_steps: STEPS, share })
        };
        let checkpoints = measurements.iter().filter(is_step).filter_map(share).collect();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            device: settings.config.device.to_string(),
            threads: rayon::current_num_threads(),
            vectors: Vectors::in_use().name(),
            reference_flops,
            settings,
            measurements,
            ratios,
            checkpoints,
            legality,
        }
    }
}

/// The name of a rollout, without the size of its groups.
pub(super) fn rollout_name(constrained: bool) -> &'static str {
    if constrained { "rollout" } else { "rollout without trie" }
}

/// The name of an update, without the size of its groups.
pub(super) fn update_name(title: &str, layout: Layout) -> String {
    let layout = match layout {
        Layout::Packed => "packed",
        Layout::RowWise => "row-wise",
    };
    format!("update {title} {layout}")
}

/// The name of a whole step, without the size of its groups.
pub(super) fn rl_step_name(title: &str) -> String {
    format!("RL step of {title}")
}

impl Display for BenchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "device {}, {}, {} threads, vectors {}; matrix product {:.1} GFLOP/s; decoder of {} weights; trie of {} bytes",
            self.device,
            self.settings.config.precision.name(),
            self.threads,
            self.vectors,
            1e-9 * self.reference_flops,
            self.settings.parameters,
            self.settings.trie_bytes
        )?;
        writeln!(
            f,
            "{:<34} {:>10} {:>9} {:>9} {:>11} {:>9} {:>6} {:>9} {:>9}",
            "part", "median ms", "min", "max", "units/s", "GFLOP", "MFU", "peak MiB", "estimate"
        )?;
        for m in &self.measurements {
            write!(
                f,
                "{:<34} {:>10.3} {:>9.3} {:>9.3} {:>11.0}",
                m.name,
                1e3 * m.seconds,
                1e3 * m.min_seconds,
                1e3 * m.max_seconds,
                m.units as f64 / m.seconds
            )?;
            match m.flops {
                Some(flops) => {
                    let utilisation = flops / m.seconds / self.reference_flops;
                    write!(f, " {:>9.2} {:>5.0}%", 1e-9 * flops, 100.0 * utilisation)?;
                }
                None => write!(f, " {:>9} {:>6}", "", "")?,
            }
            match m.peak_memory_bytes {
                Some(bytes) => write!(f, " {:>9}", bytes >> 20)?,
                None => write!(f, " {:>9}", "")?,
            }
            match m.estimated_memory_bytes {
                Some(bytes) => writeln!(f, " {:>9}", bytes >> 20)?,
                None => writeln!(f)?,
            }
        }
        for r in &self.ratios {
            writeln!(f, "G = {:>4}: {} takes {:.2} times {}", r.group_size, r.of, r.ratio, r.to)?;
        }
        for CheckpointShare { of, every_steps, share } in &self.checkpoints {
            writeln!(
                f,
                "a checkpoint every {every_steps} steps takes {:.2}% of training by the {of}",
                100.0 * share
            )?;
        }
        if let Some(Legality { completions, illegal }) = self.legality {
            writeln!(f, "{illegal} of {completions} completions are no item's")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_between_the_middle_two() {
        let found =
            Measurement::new("x".to_owned(), Load::of("items", 8), vec![4.0, 1.0, 2.0, 9.0], None);
        assert!((found.seconds - 3.0).abs() < 1e-12);
        assert!((found.min_seconds - 1.0).abs() < 1e-12);
        assert!((found.max_seconds - 9.0).abs() < 1e-12);
    }
}
