//! The pictures of an experiment, as files of SVG.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::contrasts::{ArmContrast, Verdict};
use super::overview::by_share;
use super::results::{CellResult, Results};
use crate::error::{Error, Result};

const WIDTH: u32 = 760;
/// The height of a row, and of the axis below the rows.
const ROW: u32 = 26;
const AXIS: u32 = 90;
/// The height of a panel.
const PANEL: u32 = 170;
const FONT: (&str, i32) = ("sans-serif", 15);
const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);
const GRID: RGBColor = RGBColor(0xdd, 0xe0, 0xe4);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = std::result::Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Every difference in Pass@1 to the control, with its interval: the primary contrast on top. Many
/// cells have the primary contrast alone.
pub(super) fn forest(results: &Results) -> Result<String> {
    let rows: Vec<(String, &ArmContrast)> = match &results.cells[..] {
        [cell] => {
            let arm = |contrast: &ArmContrast| title(cell, &contrast.arm).to_owned();
            cell.contrasts.iter().map(|contrast| (arm(contrast), contrast)).collect()
        }
        _ => by_share(results)
            .into_iter()
            .filter_map(|cell| Some((cell.cell.clone(), cell.contrast(&results.primary.arm)?)))
            .collect(),
    };
    let height = ROW * rows.len().max(1) as u32 + AXIS;
    let ends = rows.iter().flat_map(|(_, it)| [it.difference.low, it.difference.high]);
    let (low, high) = range(ends.chain([0.0]));
    drawn((WIDTH, height), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            // room for the last number of the axis
            .margin_right(36)
            .x_label_area_size(50)
            .y_label_area_size(260)
            .build_cartesian_2d(low..high, 0.0..rows.len().max(1) as f64)?;
        let control = &results.primary.control;
        let control = results.cells.first().map_or(&control[..], |cell| title(cell, control));
        let name = format!("difference in test Pass@1 to {}", plain(control));
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(INK)
            .label_style(FONT.into_font().color(&INK))
            .x_labels(6)
            .x_desc(name)
            .x_label_formatter(&|value| format!("{value:.4}"))
            .draw()?;
        let top = rows.len() as f64;
        chart.draw_series(LineSeries::new([(0.0, 0.0), (0.0, top)], INK))?;
        for (number, (name, contrast)) in rows.iter().enumerate() {
            let at = top - 0.5 - number as f64;
            let colour = colour(contrast.verdict);
            let it = contrast.difference;
            let line = LineSeries::new([(it.low, at), (it.high, at)], colour.stroke_width(2));
            chart.draw_series(line)?;
            chart.draw_series([Circle::new((it.mean, at), 4, colour.filled())])?;
            let (_, y) = chart.backend_coord(&(low, at));
            area.draw(&Text::new(plain(name), (12, y - 7), FONT.into_font().color(&INK)))?;
        }
        Ok(())
    })
}

/// The differences to the control over the share of all-zero groups: a panel for each arm with a
/// signal, a mark a cell. `None` of one cell.
pub(super) fn sparsity(results: &Results) -> Result<Option<String>> {
    let cells: Vec<(f64, &CellResult)> =
        results.cells.iter().filter_map(|cell| Some((cell.all_zero?, cell))).collect();
    let [(_, first), _, ..] = cells[..] else { return Ok(None) };
    let trained =
        |arm: &&ArmContrast| first.arms.iter().any(|it| it.arm == arm.arm && it.signal.is_some());
    let arms: Vec<&str> = first.contrasts.iter().filter(trained).map(|it| &it.arm[..]).collect();
    let marks = |arm: &str| -> Vec<(f64, &ArmContrast)> {
        cells.iter().filter_map(|&(share, cell)| Some((share, cell.contrast(arm)?))).collect()
    };
    let all = arms.iter().flat_map(|arm| marks(arm));
    let (low, high) =
        range(all.flat_map(|(_, it)| [it.difference.low, it.difference.high]).chain([0.0]));
    let panels = arms.len().max(1);
    let svg = drawn((WIDTH, PANEL * panels as u32 + AXIS), |area| {
        let (body, foot) = area.split_vertically(PANEL * panels as u32);
        for (arm, panel) in arms.iter().zip(body.split_evenly((panels, 1))) {
            let mut chart = ChartBuilder::on(&panel)
                .margin(8)
                .margin_right(36)
                .caption(plain(title(first, arm)), FONT.into_font().color(&INK))
                .x_label_area_size(22)
                .y_label_area_size(80)
                .build_cartesian_2d(0.0..1.0, low..high)?;
            chart
                .configure_mesh()
                .bold_line_style(GRID)
                .light_line_style(TRANSPARENT)
                .axis_style(INK)
                .label_style(FONT.into_font().color(&INK))
                .x_label_formatter(&|share| format!("{:.0}%", 100.0 * share))
                .y_labels(4)
                .y_label_formatter(&|value| format!("{value:.3}"))
                .draw()?;
            chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 0.0)], INK))?;
            for (share, contrast) in marks(arm) {
                let (it, colour) = (contrast.difference, colour(contrast.verdict));
                let line = [(share, it.low), (share, it.high)];
                chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
                chart.draw_series([Circle::new((share, it.mean), 4, colour.filled())])?;
            }
        }
        let control = plain(title(first, &results.primary.control));
        for (line, words) in [
            format!("difference in test Pass@1 to {control},"),
            "over the share of all-zero groups in the first steps".to_owned(),
        ]
        .into_iter()
        .enumerate()
        {
            let at = (80, 20 + 22 * line as i32);
            foot.draw(&Text::new(words, at, FONT.into_font().color(&INK)))?;
        }
        Ok(())
    })?;
    Ok(Some(svg))
}

/// The name of an arm on the page.
pub(super) fn title<'a>(cell: &'a CellResult, arm: &'a str) -> &'a str {
    cell.arms.iter().find(|it| it.arm == arm).map_or(arm, |it| &it.title)
}

/// Colours of Okabe and Ito's palette, for readers with any colour vision.
fn colour(verdict: Verdict) -> RGBColor {
    match verdict {
        Verdict::Above => RGBColor(0x00, 0x72, 0xb2),
        Verdict::NotToldApart => RGBColor(0x66, 0x66, 0x66),
        Verdict::Below => RGBColor(0xd5, 0x5e, 0x00),
    }
}

/// A range around values, with a margin and with some width in any case.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let ends = values.fold((0.0f64, 0.0f64), |(low, high), it| (low.min(it), high.max(it)));
    let margin = (0.08 * (ends.1 - ends.0)).max(1e-4);
    (ends.0 - margin, ends.1 + margin)
}

/// A text without characters that no file of XML may hold.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

/// The drawing on white.
fn drawn(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    area.fill(&WHITE).and_then(|()| draw(&area)).and_then(|()| area.present()).map_err(
        |fault| {
            Error::data(
                format!("a picture cannot be drawn: {fault}"),
                "report this fault of recast",
            )
        },
    )?;
    drop(area);
    Ok(svg)
}
