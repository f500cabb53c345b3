//! The parts of a page. They take plain text alone, so that no text of a run becomes markup.

use std::fmt::Write as _;

/// A letter as the page shows it. A control character, which HTML refuses, becomes the replacement
/// character. So does a mark that reverses the order of letters and disguises a name.
fn shown(letter: char) -> char {
    match letter {
        '\n' | '\t' => letter,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        control if control.is_control() => char::REPLACEMENT_CHARACTER,
        letter => letter,
    }
}

/// Text for the words within a drawing, whose library escapes markup itself.
pub(super) fn words(text: &str) -> String {
    text.chars().map(shown).collect()
}

/// Text as HTML: characters of markup become references.
pub(super) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars().map(shown) {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            letter => html.push(letter),
        }
    }
    html
}

/// A drawing: `<svg>` without a caption, and the legend's names with their swatches.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Drawing {
    /// The title, which is the figure's caption too.
    pub(super) title: String,
    /// The drawing in words, for readers who do not see it.
    pub(super) description: String,
    /// The width and the height of the drawing's own units.
    pub(super) size: (u32, u32),
    /// The elements within `<svg>`, made by the chart's own code.
    pub(super) body: String,
    /// The legend: a swatch's elements, 28 x 12, and its name.
    pub(super) legend: Vec<(String, String)>,
}

/// A table; the first cell of a row names the row.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Table {
    caption: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    is_text: bool,
}

impl Table {
    pub(super) fn new<C: Into<String>>(
        caption: impl Into<String>,
        columns: impl IntoIterator<Item = C>,
    ) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        Self { caption: caption.into(), columns, ..Self::default() }
    }

    /// A table of words, which stand at the left of their cells.
    pub(super) fn of_text(self) -> Self {
        Self { is_text: true, ..self }
    }

    pub(super) fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The body of a page, part after part.
#[derive(Debug, Default)]
pub(super) struct Body {
    html: String,
    figures: usize,
    sections: Vec<String>,
}

impl Body {
    /// A section's heading, which the page's contents list.
    pub(super) fn section(&mut self, heading: &str) {
        self.sections.push(heading.to_owned());
        let number = self.sections.len();
        self.write(format_args!("<h2 id=\"section-{number}\">{}</h2>\n", escaped(heading)));
    }

    pub(super) fn subsection(&mut self, heading: &str) {
        self.write(format_args!("<h3>{}</h3>\n", escaped(heading)));
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        self.write(format_args!("<p>{}</p>\n", escaped(text)));
    }

    /// The line of a section without data.
    pub(super) fn missing(&mut self, text: &str) {
        self.write(format_args!("<p class=\"missing\">{}</p>\n", escaped(text)));
    }

    pub(super) fn list(&mut self, lines: &[String]) {
        self.write(format_args!("<ul>\n"));
        for line in lines {
            self.write(format_args!("<li>{}</li>\n", escaped(line)));
        }
        self.write(format_args!("</ul>\n"));
    }

    pub(super) fn preformatted(&mut self, text: &str) {
        self.write(format_args!("<pre tabindex=\"0\"><code>{}</code></pre>\n", escaped(text)));
    }

    /// Parts that a reader opens.
    pub(super) fn details(&mut self, summary: &str, parts: impl FnOnce(&mut Self)) {
        self.write(format_args!("<details>\n<summary>{}</summary>\n", escaped(summary)));
        parts(self);
        self.write(format_args!("</details>\n"));
    }

    pub(super) fn table(&mut self, table: &Table) {
        let Table { caption, columns, rows, is_text } = table;
        let (caption, class) = (escaped(caption), if *is_text { "text" } else { "numbers" });
        self.write(format_args!(
            "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{caption}\">\n\
             <table class=\"{class}\">\n<caption>{caption}</caption>\n<thead><tr>"
        ));
        for column in columns {
            self.write(format_args!("<th scope=\"col\">{}</th>", escaped(column)));
        }
        self.write(format_args!("</tr></thead>\n<tbody>\n"));
        for row in rows {
            self.write(format_args!("<tr>"));
            for (i, cell) in row.iter().map(|cell| escaped(cell)).enumerate() {
                match i {
                    0 => self.write(format_args!("<th scope=\"row\">{cell}</th>")),
                    _ => self.write(format_args!("<td>{cell}</td>")),
                }
            }
            self.write(format_args!("</tr>\n"));
        }
        self.write(format_args!("</tbody>\n</table>\n</div>\n"));
    }

    /// Drawings side by side, where the page is wide enough.
    pub(super) fn figures(&mut self, drawings: &[Drawing]) {
        self.write(format_args!("<div class=\"figures\">\n"));
        drawings.iter().for_each(|drawing| self.figure(drawing));
        self.write(format_args!("</div>\n"));
    }

    fn figure(&mut self, drawing: &Drawing) {
        self.figures += 1;
        let (number, (width, height)) = (self.figures, drawing.size);
        let [title, description] = [&drawing.title, &drawing.description].map(|t| escaped(t));
        self.write(format_args!(
            "<figure>\n<figcaption>{title}</figcaption>\n\
             <svg role=\"img\" viewBox=\"0 0 {width} {height}\" aria-labelledby=\"title-{number} desc-{number}\">\n\
             <title id=\"title-{number}\">{title}</title>\n\
             <desc id=\"desc-{number}\">{description}</desc>\n{}</svg>\n",
            drawing.body
        ));
        if !drawing.legend.is_empty() {
            self.write(format_args!("<ul class=\"legend\">\n"));
            for (swatch, name) in &drawing.legend {
                self.write(format_args!(
                    "<li><svg viewBox=\"0 0 28 12\" aria-hidden=\"true\">{swatch}</svg>{}</li>\n",
                    escaped(name)
                ));
            }
            self.write(format_args!("</ul>\n"));
        }
        self.write(format_args!("</figure>\n"));
    }

    /// The whole page: a title, a line below it, the contents and all parts.
    pub(super) fn into_page(self, title: &str, lead: &str) -> String {
        let contents: String = (1..)
            .zip(&self.sections)
            .map(|(number, heading)| {
                format!("<li><a href=\"#section-{number}\">{}</a></li>\n", escaped(heading))
            })
            .collect();
        let ([title, lead], style) = ([title, lead].map(escaped), include_str!("style.css"));
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n\
             <header>\n<h1>{title}</h1>\n<p>{lead}</p>\n</header>\n\
             <nav aria-label=\"Contents\">\n<ol>\n{contents}</ol>\n</nav>\n\
             <main>\n{}</main>\n</body>\n</html>\n",
            self.html
        )
    }

    fn write(&mut self, html: std::fmt::Arguments<'_>) {
        // a string takes every text
        let _ = self.html.write_fmt(html);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "</title><script>alert('x')</script>\" onload=\"y\u{0}\u{202e}";

    #[test]
    fn every_part_escapes_its_text() {
        let mut body = Body::default();
        body.section(HOSTILE);
        body.subsection(HOSTILE);
        body.paragraph(HOSTILE);
        body.missing(HOSTILE);
        body.list(&[HOSTILE.to_owned()]);
        body.details(HOSTILE, |body| body.preformatted(HOSTILE));
        let mut table = Table::new(HOSTILE, [HOSTILE, HOSTILE]);
        table.row([HOSTILE, HOSTILE]);
        body.table(&table);
        let (title, description) = (HOSTILE.to_owned(), HOSTILE.to_owned());
        let legend = vec![(String::new(), HOSTILE.to_owned())];
        body.figures(&[Drawing { title, description, size: (1, 1), body: String::new(), legend }]);
        let page = body.into_page(HOSTILE, HOSTILE);
        assert!(!page.contains("<script") && !page.contains("\" onload"), "{page}");
        assert!(!page.contains('\u{0}') && !page.contains('\u{202e}'), "{page}");
        let told = "&lt;/title&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot; onload";
        assert_eq!(page.matches(told).count(), 21, "{page}");
    }

    #[test]
    fn tables_name_their_columns_and_rows_for_readers_of_screens() {
        let mut table = Table::new("Seconds", ["phase", "seconds"]);
        table.row(["sft", "3.5"]);
        let mut body = Body::default();
        body.table(&table);
        assert!(body.html.contains("<caption>Seconds</caption>"), "{}", body.html);
        assert!(body.html.contains("<th scope=\"col\">phase</th>"), "{}", body.html);
        assert!(body.html.contains("<th scope=\"row\">sft</th><td>3.5</td>"), "{}", body.html);
    }
}
