//! Pieces of a page in Markdown.

use std::fmt::Write as _;

/// The most columns of a line of prose.
const COLUMNS: usize = 100;

/// A number below 1 without its leading zero: `.0240`, `-.0003`.
pub(super) fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    match text.strip_prefix("-0.") {
        Some(zeros) if zeros.chars().all(|digit| digit == '0') => format!(".{zeros}"),
        Some(rest) => format!("-.{rest}"),
        None => text.strip_prefix("0.").map_or(text.clone(), |rest| format!(".{rest}")),
    }
}

/// A table of Markdown; a bar within a cell is escaped.
pub(super) fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let head: Vec<String> = head.iter().map(|&name| name.to_owned()).collect();
    let rule: String = (0..head.len()).map(|i| if i == 0 { "|---" } else { "|---:" }).collect();
    let rows: String = rows.map(|row| line(&row)).collect();
    format!("{}{rule}|\n{rows}", line(&head)).trim_end().to_owned()
}

/// A page whose lines of prose have at most 100 columns; tables, lists and code stay as they are.
pub(super) fn wrapped(page: &str) -> String {
    let (mut text, mut fenced) = (String::new(), false);
    for line in page.lines() {
        fenced ^= line.starts_with("```");
        if fenced || line.starts_with(['|', '#', '!', '-', '`']) {
            let _ = writeln!(text, "{line}");
            continue;
        }
        let mut width = 0;
        for word in line.split(' ') {
            let columns = word.chars().count();
            if width > 0 && width + 1 + columns > COLUMNS {
                text.push('\n');
                width = 0;
            }
            if width > 0 {
                text.push(' ');
                width += 1;
            }
            text.push_str(word);
            width += columns;
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lose_their_leading_zero_and_a_zero_its_sign() {
        for (value, expected) in [
            (0.024, ".0240"),
            (-0.0003, "-.0003"),
            (1.0, "1.0000"),
            (-0.00001, ".0000"),
            (0.0, ".0000"),
        ] {
            assert_eq!(short(value), expected);
        }
    }

    #[test]
    fn a_bar_in_a_name_stays_in_its_cell() {
        let found = table(&["a"], [vec!["x|y".to_owned()]].into_iter());
        assert_eq!(found, "| a |\n|---|\n| x\\|y |");
    }

    #[test]
    fn prose_is_wrapped_and_tables_and_code_are_not() {
        let word = "word ".repeat(40);
        let prose = word.trim();
        let (table, code) = (format!("| {prose} |"), format!("```sh\n{prose}\n```"));
        let found = wrapped(&format!("{prose}\n\n{table}\n\n{code}\n\nend"));
        let mut parts = found.split("\n\n");
        let first = parts.next().unwrap();
        assert_eq!(first.replace('\n', " "), prose);
        assert!(first.lines().count() == 2 && first.lines().all(|line| line.len() <= COLUMNS));
        assert_eq!(parts.collect::<Vec<_>>(), [&table[..], &code, "end\n"]);
    }
}
