//! Horizontal bars, each below its name; a bar may have several parts.

use plotters::prelude::*;

use super::chart::{FONT, drawn};
use super::html::{Drawing, words};
use super::style::{GRID, INK, Look};
use crate::error::Result;

/// The width of a chart, and the height of a bar with its name, in the chart's own units.
const WIDTH: u32 = 480;
const ROW: u32 = 52;

/// A bar: its name, the words beside the name, and the lengths of its parts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) parts: Vec<f64>,
}

/// Bars of one unit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BarChart {
    pub(super) title: String,
    /// The names of the parts; empty where a bar has one part.
    pub(super) parts: Vec<String>,
    pub(super) bars: Vec<Bar>,
}

impl BarChart {
    /// The drawing; `None` without a bar.
    ///
    /// # Errors
    ///
    /// If the drawing library refuses the numbers.
    pub(super) fn drawing(self) -> Result<Option<Drawing>> {
        if self.bars.is_empty() {
            return Ok(None);
        }
        let finite = |part: f64| if part.is_finite() { part.max(0.0) } else { 0.0 };
        let length = |bar: &Bar| bar.parts.iter().map(|&part| finite(part)).sum::<f64>();
        let longest = self.bars.iter().map(length).fold(0.0, f64::max);
        let scale = f64::from(WIDTH - 16) / longest.max(f64::MIN_POSITIVE);
        let size = (WIDTH, ROW * self.bars.len() as u32 + 8);
        let body = drawn(size, |area| {
            let font = ("sans-serif", FONT).into_font().color(&INK);
            for (row, bar) in (0..).zip(&self.bars) {
                let top = row * ROW as i32;
                let text = words(&format!("{}: {}", bar.name, bar.value));
                area.draw(&Text::new(text, (8, top + 8), font.clone()))?;
                let (from, to) = (top + 28, top + 44);
                let frame = [(8, from), (WIDTH as i32 - 8, to)];
                area.draw(&Rectangle::new(frame, GRID))?;
                let mut left = 0.0;
                for (number, &part) in bar.parts.iter().enumerate() {
                    let right = left + scale * finite(part);
                    let corners = [(8 + left as i32, from), (8 + right as i32, to)];
                    area.draw(&Rectangle::new(corners, Look::of(number).colour.filled()))?;
                    left = right;
                }
            }
            Ok(())
        })?;
        let legend =
            |(number, name): (usize, &String)| (Look::of(number).area_swatch(), name.clone());
        let legend = self.parts.iter().enumerate().map(legend).collect();
        let told = self.bars.iter().map(|bar| format!("{}: {}.", bar.name, bar.value));
        let description = told.collect::<Vec<_>>().join(" ");
        Ok(Some(Drawing { title: self.title, description, size, body, legend }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_tell_their_values_in_words_and_survive_odd_lengths() {
        let bar = |name: &str, parts: &[f64]| Bar {
            name: name.to_owned(),
            value: "9 s".to_owned(),
            parts: parts.to_vec(),
        };
        let bars = vec![bar("a<b", &[1.0, 2.0]), bar("none", &[]), bar("odd", &[f64::NAN, -1.0])];
        let chart = BarChart { title: "Seconds".to_owned(), parts: Vec::new(), bars };
        let drawing = chart.drawing().unwrap().unwrap();
        assert_eq!(drawing.description, "a<b: 9 s. none: 9 s. odd: 9 s.");
        assert!(drawing.body.contains("a&lt;b: 9 s"), "{}", drawing.body);
        assert!(!drawing.body.contains("NaN"), "{}", drawing.body);
    }

    #[test]
    fn no_bar_makes_no_drawing() {
        let chart = BarChart { title: String::new(), parts: Vec::new(), bars: Vec::new() };
        assert_eq!(chart.drawing().unwrap(), None);
    }
}
