//! Charts as drawings: curves with bands, and stacked areas.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::html::Drawing;
use super::style::{GRID, INK, Look, Mark};
use crate::error::{Error, Result};

/// The size of a chart in its own units: large enough words also on a narrow screen.
const SIZE: (u32, u32) = (480, 300);

/// Curves with more points than this have no marks, which would hide the curve.
const MOST_MARKS: usize = 30;

/// The font size of all words.
pub(super) const FONT: i32 = 18;

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

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = std::result::Result<(), DrawingAreaErrorKind<std::io::Error>>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

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
    fn draw(&self, chart: &mut Chart<'_, '_>) -> Drawn {
        let Look { colour, dash, mark } = self.look;
        if self.places.iter().any(|place| place.low < place.high) {
            let low = self.places.iter().map(|place| (place.x, place.low));
            let high = self.places.iter().rev().map(|place| (place.x, place.high));
            let band: Vec<(f64, f64)> = low.chain(high).collect();
            chart.draw_series([Polygon::new(band, colour.mix(0.16))])?;
        }
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

/// The elements that `draw` makes, without the `<svg>` around them.
///
/// # Errors
///
/// If the drawing library refuses the numbers.
pub(super) fn drawn(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    draw(&area).and_then(|()| area.present()).map_err(|fault| {
        Error::data(format!("a chart cannot be drawn: {fault}"), "report this fault of recast")
    })?;
    drop(area);
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    Ok(body.trim().trim_end_matches("</svg>").to_owned())
}

fn axes<'a, 'b>(
    area: &'a Area<'b>,
    x: (f64, f64),
    y: (f64, f64),
    x_name: &str,
    y_name: &str,
    y_label: impl Fn(f64) -> String,
) -> std::result::Result<Chart<'a, 'b>, DrawingAreaErrorKind<std::io::Error>> {
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .margin_right(16)
        .x_label_area_size(50)
        .y_label_area_size(76)
        .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
    let words = ("sans-serif", FONT).into_font().color(&INK);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style(words.clone())
        .axis_desc_style(words)
        .x_labels(6)
        .y_labels(8)
        .x_desc(x_name)
        .y_desc(y_name)
        .x_label_formatter(&|value| number(*value))
        .y_label_formatter(&|value| y_label(*value))
        .draw()?;
    Ok(chart)
}

/// A range with a margin on each side, and with some width in any case.
fn padded(low: f64, high: f64, margin: f64) -> (f64, f64) {
    let width = high - low;
    if width > 0.0 {
        return (low - margin * width, high + margin * width);
    }
    let around = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
    (low - around, high + around)
}

/// A number in few digits: `1.2M`, `300`, `0.45`, `3e-5`.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    let trimmed = |text: String| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    if value == 0.0 {
        "0".to_owned()
    } else if size >= 1e6 {
        format!("{}M", trimmed(format!("{:.2}", value / 1e6)))
    } else if size >= 1e4 {
        format!("{}k", trimmed(format!("{:.1}", value / 1e3)))
    } else if size >= 100.0 {
        trimmed(format!("{value:.1}"))
    } else if size >= 1e-3 {
        trimmed(format!("{value:.4}"))
    } else {
        format!("{value:.1e}")
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

    #[test]
    fn numbers_have_few_digits() {
        let cases = [
            (0.0, "0"),
            (1_234_567.0, "1.23M"),
            (204_800.0, "204.8k"),
            (20_000.0, "20k"),
            (100.0, "100"),
            (40.0, "40"),
            (0.45, "0.45"),
            (-0.25, "-0.25"),
            (3e-5, "3.0e-5"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
    }
}
