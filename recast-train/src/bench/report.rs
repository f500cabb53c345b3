//! Measurements, as a table and as JSON.

use std::fmt::{self, Display};

use serde::Serialize;

use super::BenchConfig;
use crate::train::Layout;

/// The cost of one part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measurement {
    /// The part.
    pub name: String,
    /// What it works through.
    pub unit: &'static str,
    /// How many of these one repetition does.
    pub units: usize,
    /// Median seconds of a repetition.
    pub seconds: f64,
    /// The shortest.
    pub min_seconds: f64,
    /// The longest.
    pub max_seconds: f64,
    /// Floating-point operations of the matrix products of a repetition, where these are what it does.
    pub flops: Option<f64>,
    /// The largest resident size of the process while it ran, all of the process; null where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
}

impl Measurement {
    /// # Panics
    /// If there is no repetition.
    pub(super) fn new(
        name: String,
        unit: &'static str,
        units: usize,
        flops: Option<f64>,
        mut seconds: Vec<f64>,
        peak_memory_bytes: Option<u64>,
    ) -> Self {
        seconds.sort_by(f64::total_cmp);
        let n = seconds.len();
        let median = 0.5 * (seconds[(n - 1) / 2] + seconds[n / 2]);
        Self {
            name,
            unit,
            units,
            seconds: median,
            min_seconds: seconds[0],
            max_seconds: seconds[n - 1],
            flops,
            peak_memory_bytes,
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

/// How much less one update costs than another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UpdateRatio {
    /// Completions of a group.
    pub group_size: usize,
    /// The dearer one.
    pub of: String,
    /// The cheaper one.
    pub to: String,
    /// Seconds of the first over seconds of the second.
    pub ratio: f64,
}

/// All measurements of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchReport {
    /// The version of the program.
    pub version: &'static str,
    /// The device's name.
    pub device: String,
    /// CPU threads.
    pub threads: usize,
    /// Floating-point operations a second of a large matrix product: what utilisation is measured against.
    pub reference_flops: f64,
    /// The parts, in the order they ran.
    pub measurements: Vec<Measurement>,
    /// Updates beside each other.
    pub ratios: Vec<UpdateRatio>,
}

impl BenchReport {
    pub(super) fn new(
        config: &BenchConfig,
        reference_flops: f64,
        measurements: Vec<Measurement>,
    ) -> Self {
        let seconds = |name: &str| measurements.iter().find(|m| m.name == name).map(|m| m.seconds);
        let mut ratios = Vec::new();
        for &group_size in &config.group_sizes {
            for (of, to) in [
                (("GRPO", Layout::RowWise), ("ReCast", Layout::Packed)),
                (("GRPO", Layout::RowWise), ("ReCast", Layout::RowWise)),
                (("GRPO", Layout::Packed), ("ReCast", Layout::Packed)),
            ] {
                let [of, to] = [of, to].map(|(title, layout)| update_name(title, layout));
                let of_size = |name: &str| seconds(&format!("{name}, G = {group_size}"));
                if let (Some(slow), Some(fast)) = (of_size(&of), of_size(&to)) {
                    ratios.push(UpdateRatio { group_size, of, to, ratio: slow / fast });
                }
            }
        }
        Self {
            version: env!("CARGO_PKG_VERSION"),
            device: config.device.name().to_owned(),
            threads: rayon::current_num_threads(),
            reference_flops,
            measurements,
            ratios,
        }
    }
}

/// The name of an update, without the size of its groups.
pub(super) fn update_name(title: &str, layout: Layout) -> String {
    let layout = match layout {
        Layout::Packed => "packed",
        Layout::RowWise => "row-wise",
    };
    format!("update {title} {layout}")
}

impl Display for BenchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "device {}, {} threads; matrix product {:.1} GFLOP/s",
            self.device,
            self.threads,
            1e-9 * self.reference_flops
        )?;
        writeln!(
            f,
            "{:<34} {:>10} {:>9} {:>9} {:>11} {:>9} {:>6} {:>9}",
            "part", "median ms", "min", "max", "units/s", "GFLOP", "MFU", "peak MiB"
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
                Some(bytes) => writeln!(f, " {:>9}", bytes >> 20)?,
                None => writeln!(f)?,
            }
        }
        for r in &self.ratios {
            writeln!(f, "G = {:>4}: {} takes {:.1} times {}", r.group_size, r.of, r.ratio, r.to)?;
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
            Measurement::new("x".to_owned(), "items", 8, None, vec![4.0, 1.0, 2.0, 9.0], None);
        assert!((found.seconds - 3.0).abs() < 1e-12);
        assert!((found.min_seconds - 1.0).abs() < 1e-12);
        assert!((found.max_seconds - 9.0).abs() < 1e-12);
    }
}
