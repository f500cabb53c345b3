//! Standardised embeddings: every column with mean 0 and deviation 1.

use crate::embedding::Embeddings;

/// The least deviation that scales a column: a column of a smaller one is only centred.
const LEAST_DEVIATION: f64 = 1e-8;

/// Means and population standard deviations of columns.
#[derive(Debug)]
pub(super) struct Standard {
    means: Vec<f32>,
    deviations: Vec<f32>,
}

impl Standard {
    /// The means and deviations of `embeddings`.
    pub(super) fn of(embeddings: &Embeddings) -> Self {
        let n = embeddings.rows() as f64;
        let mut means = vec![0.0f64; embeddings.dim()];
        for row in embeddings.values().chunks_exact(embeddings.dim()) {
            means.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        means.iter_mut().for_each(|sum| *sum /= n);
        let mut squares = vec![0.0f64; embeddings.dim()];
        for row in embeddings.values().chunks_exact(embeddings.dim()) {
            for ((sum, mean), &x) in squares.iter_mut().zip(&means).zip(row) {
                *sum += (f64::from(x) - mean).powi(2);
            }
        }
        let deviation = |sum: f64| match (sum / n).sqrt() {
            deviation if deviation > LEAST_DEVIATION => deviation as f32,
            _ => 1.0,
        };
        Self {
            means: means.into_iter().map(|mean| mean as f32).collect(),
            deviations: squares.into_iter().map(deviation).collect(),
        }
    }

    /// Appends a standardised row.
    pub(super) fn append(&self, row: &[f32], into: &mut Vec<f32>) {
        let columns = self.means.iter().zip(&self.deviations);
        into.extend(row.iter().zip(columns).map(|(x, (mean, deviation))| (x - mean) / deviation));
    }

    /// The squared distance of a row from the row that a standardised row stands for.
    pub(super) fn squared_error(&self, row: &[f32], standardised: &[f32]) -> f64 {
        let columns = self.means.iter().zip(&self.deviations);
        row.iter()
            .zip(standardised)
            .zip(columns)
            .map(|((&x, &y), (&mean, &deviation))| {
                let stands_for = f64::from(y) * f64::from(deviation) + f64::from(mean);
                (f64::from(x) - stands_for).powi(2)
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_get_mean_0_and_deviation_1_and_constant_ones_are_centred() {
        let rows = Embeddings::new(2, vec![1.0, 7.0, 3.0, 7.0, 5.0, 7.0, 7.0, 7.0]).unwrap();
        let standard = Standard::of(&rows);
        let mut found = Vec::new();
        (0..4).for_each(|i| standard.append(rows.row(i), &mut found));
        let unit = 1.0 / 5f32.sqrt();
        let expected = [-3.0 * unit, 0.0, -unit, 0.0, unit, 0.0, 3.0 * unit, 0.0];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
        assert!(standard.squared_error(rows.row(0), &found[..2]) < 1e-10);
        assert!((standard.squared_error(rows.row(0), &[0.0, 2.0]) - (9.0 + 4.0)).abs() < 1e-6);
    }
}
