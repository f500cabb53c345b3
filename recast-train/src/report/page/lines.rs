//! Curves with bands.

use plotters::prelude::*;

use super::chart::{Chart, Drawn, SIZE, axes, drawn, number, padded};
use super::html::Drawing;
use super::style::{Look, Mark};
use crate::error::Result;

/// Curves with more points than this have no marks, which would hide the curve.
const MOST_MARKS: usize = 30;

/// The opacity of a band.
const BAND: f64 = 0.12;

/// A place on a curve: the lowest, the mean and the highest value over runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) low: f64,
    pub(super) mean: f64,
    pub(super) high: f64,
}

/// A named curve.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) look: Look,
    pub(super) places: Vec<Place>,
}

/// Curves over common axes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LineChart {
    pub(super) title: String,
    pub(super) x: String,
    pub(super) y: String,
    pub(super) series: Vec<Series>,
    /// The lowest and the highest value of the y axis; `None` for those of the curves.
    pub(super) y_range: Option<(f64, f64)>,
}

impl LineChart {
    /// The lowest and the highest value of all bands; `None` without a point.
    pub(super) fn extent(&self) -> Option<(f64, f64)> {
        let places = || self.series.iter().flat_map(|series| &series.places);
        places().next()?;
        let low = places().map(|place| place.low).fold(f64::INFINITY, f64::min);
        let high = places().map(|place| place.high).fold(f64::NEG_INFINITY, f64::max);
        Some((low, high))
    }

    /// The drawing; `None` without a point.
    ///
    /// # Errors
    ///
    /// If the drawing library refuses the numbers.
    pub(super) fn drawing(mut self) -> Result<Option<Drawing>> {
        for series in &mut self.series {
            let finite = |p: &Place| [p.x, p.low, p.mean, p.high].iter().all(|v| v.is_finite());
            series.places.retain(finite);
        }
        self.series.retain(|series| !series.places.is_empty());
        let Some((low, high)) = self.y_range.or_else(|| self.extent()) else { return Ok(None) };
        let xs = || self.series.iter().flat_map(|series| &series.places).map(|place| place.x);
        let (first, last) = (xs().fold(f64::INFINITY, f64::min), xs().fold(0.0, f64::max));
        let body = drawn(SIZE, |area| {
            let mut chart = axes(
                area,
                padded(first, last, 0.0),
                padded(low, high, 0.06),
                &self.x,
                &self.y,
                number,
            )?;
            // no band hides a curve
            self.series.iter().try_for_each(|series| series.draw_band(&mut chart))?;
            self.series.iter().try_for_each(|series| series.draw(&mut chart))
        })?;
        let legend = self.series.iter().map(|s| (s.look.line_swatch(), s.name.clone())).collect();
        let description = self.description(first, last);
        Ok(Some(Drawing { title: self.title, description, size: SIZE, body, legend }))
    }

    fn description(&self, first: f64, last: f64) -> String {
        let mut words =
            format!("{} over {} from {} to {}.", self.y, self.x, number(first), number(last));
        for Series { name, places, .. } in &self.series {
            let (Some(start), Some(end)) = (places.first(), places.last()) else { continue };
            let highest = places.iter().fold(start, |h, p| if p.mean > h.mean { p } else { h });
            let [start, end, highest_mean] = [start.mean, end.mean, highest.mean].map(number);
            words += &format!(
                " {name}: {start} at first, {end} at last, at most {highest_mean} at {}.",
                number(highest.x)
            );
        }
        words
    }
}

impl Series {
    fn draw_band(&self, chart: &mut Chart<'_, '_>) -> Drawn {
        if self.places.iter().any(|place| place.low < place.high) {
            let low = self.places.iter().map(|place| (place.x, place.low));
            let high = self.places.iter().rev().map(|place| (place.x, place.high));
            let band: Vec<(f64, f64)> = low.chain(high).collect();
            chart.draw_series([Polygon::new(band, self.look.colour.mix(BAND))])?;
        }
        Ok(())
    }

    fn draw(&self, chart: &mut Chart<'_, '_>) -> Drawn {
        let Look { colour, dash, mark } = self.look;
        let line = self.places.iter().map(|place| (place.x, place.mean));
        let stroke = colour.stroke_width(2);
        match dash {
            None => chart.draw_series(LineSeries::new(line.clone(), stroke))?,
            Some((on, off)) => {
                chart.draw_series(DashedLineSeries::new(line.clone(), on, off, stroke))?
            }
        };
        if self.places.len() > MOST_MARKS {
            return Ok(());
        }
        match mark {
            Mark::Circle => {
                chart.draw_series(line.map(|at| Circle::new(at, 3, colour.filled())))?
            }
            Mark::Triangle => {
                chart.draw_series(line.map(|at| TriangleMarker::new(at, 5, colour.filled())))?
            }
            Mark::Cross => {
                chart.draw_series(line.map(|at| Cross::new(at, 3, colour.stroke_width(2))))?
            }
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(values: &[f64]) -> LineChart {
        let places = |(x, &mean): (usize, &f64)| Place { x: x as f64, low: mean, mean, high: mean };
        let places = values.iter().enumerate().map(places).collect();
        let series = vec![Series { name: "<b>".to_owned(), look: Look::of(1), places }];
        let [title, x, y] = ["Pass@1", "step", "Pass@1"].map(str::to_owned);
        LineChart { title, x, y, series, y_range: None }
    }

    #[test]
    fn a_chart_without_a_finite_point_is_none() {
        assert_eq!(chart(&[]).drawing().unwrap(), None);
        assert_eq!(chart(&[f64::NAN, f64::INFINITY]).drawing().unwrap(), None);
    }

    #[test]
    fn one_point_and_equal_points_are_drawn() {
        for values in [&[0.5][..], &[0.0, 0.0], &[2.0, 2.0, 2.0], &[-1.0]] {
            let drawing = chart(values).drawing().unwrap().unwrap();
            assert!(drawing.body.contains("<text") && !drawing.body.contains("svg"));
            assert!(!drawing.body.contains("NaN"), "{}", drawing.body);
        }
    }

    #[test]
    fn the_description_has_the_first_the_last_and_the_highest_value() {
        let drawing = chart(&[0.25, 0.75, 0.5]).drawing().unwrap().unwrap();
        let told =
            "Pass@1 over step from 0 to 2. <b>: 0.25 at first, 0.5 at last, at most 0.75 at 1.";
        assert_eq!(drawing.description, told);
    }
}
