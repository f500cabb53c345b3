//! Colours, dashes and marks. A line is told apart by its dash and its mark too, so that no reader
//! needs the colours.

use plotters::style::RGBColor;

/// Ink of axes and words.
pub(super) const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);
/// The lines behind the curves.
pub(super) const GRID: RGBColor = RGBColor(0xdd, 0xe0, 0xe4);

/// The looks of a curve or of an area.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    pub(super) colour: RGBColor,
    /// Units drawn and units left free; `None` for an unbroken line.
    pub(super) dash: Option<(u32, u32)>,
    pub(super) mark: Mark,
}

/// The mark of a curve's points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Mark {
    Circle,
    Triangle,
    Cross,
}

const fn look(red: u8, green: u8, blue: u8, dash: Option<(u32, u32)>, mark: Mark) -> Look {
    Look { colour: RGBColor(red, green, blue), dash, mark }
}

/// Colours of Okabe and Ito's palette, for readers with any colour vision. The yellow, too light
/// for a line on white, is left out.
const LOOKS: [Look; 7] = [
    look(0x00, 0x72, 0xb2, None, Mark::Circle),
    look(0xd5, 0x5e, 0x00, Some((8, 4)), Mark::Triangle),
    look(0x00, 0x9e, 0x73, Some((2, 4)), Mark::Cross),
    look(0xcc, 0x79, 0xa7, Some((14, 4)), Mark::Circle),
    look(0xe6, 0x9f, 0x00, Some((5, 2)), Mark::Triangle),
    look(0x56, 0xb4, 0xe9, Some((3, 7)), Mark::Cross),
    look(0x00, 0x00, 0x00, Some((10, 8)), Mark::Circle),
];

impl Look {
    /// The looks of the curve with this number; numbers past the palette begin it anew.
    pub(super) fn of(number: usize) -> Self {
        LOOKS[number % LOOKS.len()]
    }

    fn hex(self) -> String {
        let RGBColor(red, green, blue) = self.colour;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    /// The legend's swatch of a curve.
    pub(super) fn line_swatch(self) -> String {
        let (colour, dash) = (self.hex(), self.dash);
        let dash =
            dash.map_or(String::new(), |(on, off)| format!(" stroke-dasharray=\"{on} {off}\""));
        let mark = match self.mark {
            Mark::Circle => format!("<circle cx=\"14\" cy=\"6\" r=\"3\" fill=\"{colour}\"/>"),
            Mark::Triangle => format!("<path d=\"M14 2 L18 9 L10 9 Z\" fill=\"{colour}\"/>"),
            Mark::Cross => {
                format!(
                    "<path d=\"M11 3 L17 9 M17 3 L11 9\" stroke=\"{colour}\" stroke-width=\"2\"/>"
                )
            }
        };
        format!("<path d=\"M0 6 H28\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>{mark}")
    }

    /// The legend's swatch of an area.
    pub(super) fn area_swatch(self) -> String {
        format!("<rect width=\"28\" height=\"12\" fill=\"{}\"/>", self.hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two lightest colours have less than the least contrast of a graphic on white (WCAG 2.2,
    /// 1.4.11): dashes and marks tell every curve apart.
    #[test]
    fn no_two_looks_are_equal_without_their_colours() {
        let shapes: Vec<_> = LOOKS.iter().map(|look| (look.dash, look.mark)).collect();
        for (i, shape) in shapes.iter().enumerate() {
            assert!(!shapes[..i].contains(shape), "{shape:?}");
        }
    }
}
