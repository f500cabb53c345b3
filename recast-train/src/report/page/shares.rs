//! Shares as stacked areas.

use plotters::prelude::*;

use super::chart::{SIZE, axes, drawn, number, padded};
use super::html::Drawing;
use super::style::Look;
use crate::error::Result;

/// Shares over steps, stacked up to one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ShareChart {
    pub(super) title: String,
    pub(super) x: String,
    /// The steps in their order.
    pub(super) xs: Vec<f64>,
    /// The names of the shares, the lowest layer first.
    pub(super) names: Vec<&'static str>,
    /// A row of shares for each step.
    pub(super) shares: Vec<Vec<f64>>,
}

impl ShareChart {
    /// The looks of the layers, which border on one another: light and dark alternate.
    fn look(layer: usize) -> Look {
        Look {
            colour: [
                RGBColor(0xc4, 0xc8, 0xcc),
                RGBColor(0x56, 0xb4, 0xe9),
                RGBColor(0x00, 0x4c, 0x80),
                RGBColor(0xe6, 0x9f, 0x00),
            ][layer % 4],
            ..Look::of(layer)
        }
    }

    /// The drawing; `None` without a step.
    ///
    /// # Errors
    ///
    /// If the drawing library refuses the numbers.
    pub(super) fn drawing(self) -> Result<Option<Drawing>> {
        let (Some(&first), Some(&last)) = (self.xs.first(), self.xs.last()) else {
            return Ok(None);
        };
        let body = drawn(SIZE, |area| {
            let percent = |share: f64| format!("{:.0}%", 100.0 * share);
            let mut chart = axes(
                area,
                padded(first, last, 0.0),
                (0.0, 1.0),
                &self.x,
                "share of groups",
                percent,
            )?;
            for layer in 0..self.names.len() {
                let upto = |row: &Vec<f64>, layers: usize| row[..layers].iter().sum::<f64>();
                let at = |layers: usize| {
                    self.xs.iter().zip(&self.shares).map(move |(&x, row)| (x, upto(row, layers)))
                };
                let outline: Vec<(f64, f64)> = at(layer).chain(at(layer + 1).rev()).collect();
                chart.draw_series([Polygon::new(outline, Self::look(layer).colour)])?;
                if layer > 0 {
                    chart.draw_series(LineSeries::new(at(layer), WHITE.stroke_width(1)))?;
                }
            }
            Ok(())
        })?;
        let legend =
            |(layer, name): (usize, &&str)| (Self::look(layer).area_swatch(), (*name).to_owned());
        let legend = self.names.iter().enumerate().map(legend).collect();
        let description = self.description(first, last);
        Ok(Some(Drawing { title: self.title, description, size: SIZE, body, legend }))
    }

    fn description(&self, first: f64, last: f64) -> String {
        let mut words =
            format!("Shares over {} from {} to {}.", self.x, number(first), number(last));
        for (layer, name) in self.names.iter().enumerate() {
            let share = |row: Option<&Vec<f64>>| 100.0 * row.map_or(0.0, |row| row[layer]);
            let (start, end) = (share(self.shares.first()), share(self.shares.last()));
            words += &format!(" {name}: {start:.1}% at first, {end:.1}% at last.");
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_stack_up_to_one() {
        let shares = vec![vec![0.5, 0.25, 0.25, 0.0]; 2];
        let names = vec!["all-zero", "single-hit", "multi-hit", "all-hit"];
        let [title, x] = ["regimes", "step"].map(str::to_owned);
        let chart = ShareChart { title, x, xs: vec![1.0, 2.0], names, shares };
        let drawing = chart.drawing().unwrap().unwrap();
        assert_eq!(drawing.body.matches("<polygon").count(), 4);
        assert_eq!(drawing.legend.len(), 4);
    }
}
