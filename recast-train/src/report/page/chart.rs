//! Charts as drawings: their size, axes and numbers.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::style::{GRID, INK};
use crate::error::{Error, Result};

/// The size of a chart in its own units: large enough words also on a narrow screen.
pub(super) const SIZE: (u32, u32) = (480, 300);

/// The font size of all words.
pub(super) const FONT: i32 = 16;

/// The place of a drawing.
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// The end of a drawing.
pub(super) type Drawn = std::result::Result<(), DrawingAreaErrorKind<std::io::Error>>;
/// A chart over two axes of numbers.
pub(super) type Chart<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

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

/// The axes of a chart, drawn.
pub(super) fn axes<'a, 'b>(
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
        .x_label_area_size(46)
        .y_label_area_size(70)
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
pub(super) fn padded(low: f64, high: f64, margin: f64) -> (f64, f64) {
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
