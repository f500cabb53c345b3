//! The bytes of a table on their way to the csv crate, which tells nothing of quotes that never
//! close.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memchr2_iter};

use crate::storage::Source;

/// The delimiter that stands for `::`, which has two bytes: the unit separator of ASCII.
pub(super) const UNIT_SEPARATOR: u8 = 0x1f;

/// The longest field in quotes.
const LONGEST: u64 = 16 << 20;

/// The separator of fields in the bytes that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Separator {
    /// One byte.
    Byte(u8),
    /// Two colons.
    Colons,
}

/// A fault of quotes, with the line where the quote opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind:?}")]
pub(super) struct QuoteFault {
    pub(super) line: u64,
    pub(super) kind: QuoteFaultKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QuoteFaultKind {
    /// The quote never closes.
    Open,
    /// The closing quote is followed by this byte.
    TextAfter(u8),
    /// The field is longer than 16 MiB.
    TooLong,
}

/// The place of the next byte among quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a field's first byte.
    Start,
    /// In a field without quotes, or after one.
    Plain,
    /// In quotes.
    Quoted,
    /// After a quote within quotes: the field ends here, or the quote is one of a pair.
    Quote,
    /// After a field in quotes: only blanks may come before the next field.
    After,
}

/// A table's bytes: `\n` for `\r\n`, since between the two the csv crate counts lines one too low,
/// and one byte for each separator. Quotes are checked on the way.
pub(super) struct Bytes {
    source: Source,
    colons: bool,
    /// Whether `\r` alone ends a line.
    returns_end_lines: bool,
    /// The last byte that was read, if the next one decides on it.
    held: Option<u8>,
    quotes: Option<Quotes>,
    failed: Option<QuoteFault>,
}

impl Bytes {
    /// Quotes mean nothing unless `quoting`.
    pub(super) fn new(source: Source, separator: Separator, quoting: bool) -> Self {
        let head = source.head();
        let returns_end_lines = !head.contains(&b'\n') && head.contains(&b'\r');
        let quotes = match separator {
            Separator::Byte(delimiter) if quoting => Some(Quotes::new(delimiter)),
            _ => None,
        };
        let colons = separator == Separator::Colons;
        Self { source, colons, returns_end_lines, held: None, quotes, failed: None }
    }

    /// The number of fields in quotes that hold lines which look like rows, and the line where the
    /// first opens.
    pub(super) fn swallowed(&self) -> Option<(u64, u64)> {
        self.quotes.as_ref()?.swallowed
    }

    /// Whether the bytes that were read don't end in a line end.
    pub(super) fn is_cut(&self) -> bool {
        !matches!(self.source.last(), None | Some(b'\n' | b'\r'))
    }

    /// Reads the next bytes and returns their number; `None` at the end.
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let held = self.held.take();
        if let (Some(byte), Some(first)) = (held, buffer.first_mut()) {
            *first = byte;
        }
        let start = usize::from(held.is_some());
        let length = self.source.read(&mut buffer[start..])?;
        if length == 0 {
            return Ok(held.map(|_| 1));
        }
        Ok(Some(self.translate(&mut buffer[..start + length])))
    }

    /// Translates bytes in place and returns the number of those left.
    fn translate(&mut self, bytes: &mut [u8]) -> usize {
        let first = if self.colons { Some(0) } else { memchr(b'\r', bytes) };
        let Some(first) = first else { return bytes.len() };
        let (mut at, mut kept) = (first, first);
        while at < bytes.len() {
            let next = bytes.get(at + 1).copied();
            let byte = match (bytes[at], next) {
                (b'\r', _) if self.returns_end_lines => Some(b'\n'),
                (b'\r', Some(b'\n')) => None,
                (b':', Some(b':')) if self.colons => {
                    at += 1;
                    Some(UNIT_SEPARATOR)
                }
                (byte, None) if byte == b'\r' || (byte == b':' && self.colons) => {
                    self.held = Some(byte);
                    None
                }
                (byte, _) => Some(byte),
            };
            if let Some(byte) = byte {
                bytes[kept] = byte;
                kept += 1;
            }
            at += 1;
        }
        kept
    }
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(fault) = self.failed {
            return Err(io::Error::other(fault));
        }
        loop {
            let read = self.next(buffer)?;
            let length = read.unwrap_or(0);
            if let Some(quotes) = &mut self.quotes
                && let Err(fault) = quotes.check(&buffer[..length], read.is_none())
            {
                self.failed = Some(fault);
                return Err(io::Error::other(fault));
            }
            if length > 0 || read.is_none() {
                return Ok(length);
            }
        }
    }
}

/// The quotes of a table.
#[derive(Debug)]
struct Quotes {
    delimiter: u8,
    /// Delimiters in the first line, whose quotes don't matter; `None` before its end.
    in_row: Option<u64>,
    in_first: u64,
    state: State,
    /// The line of the next byte.
    line: u64,
    /// The line where the field in quotes opened, and its bytes so far.
    opened: u64,
    length: u64,
    /// Delimiters in the field's present line; `None` in its first.
    in_line: Option<u64>,
    looks_like_rows: bool,
    /// The number of fields that look so, and the line where the first opened.
    swallowed: Option<(u64, u64)>,
}

impl Quotes {
    fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            in_row: None,
            in_first: 0,
            state: State::Start,
            line: 1,
            opened: 0,
            length: 0,
            in_line: None,
            looks_like_rows: false,
            swallowed: None,
        }
    }

    fn fault(&self, kind: QuoteFaultKind) -> QuoteFault {
        QuoteFault { line: self.opened, kind }
    }

    /// Follows the quotes through the next bytes; outside of quotes only quotes are looked for.
    fn check(&mut self, bytes: &[u8], is_end: bool) -> Result<(), QuoteFault> {
        if self.in_row.is_none() {
            let end = memchr(b'\n', bytes);
            let first = &bytes[..end.unwrap_or(bytes.len())];
            self.in_first += memchr_iter(self.delimiter, first).count() as u64;
            self.in_row = end.map(|_| self.in_first);
        }
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.state {
                State::Start | State::Plain => {
                    let length = memchr(b'"', rest).unwrap_or(rest.len());
                    self.line += memchr_iter(b'\n', &rest[..length]).count() as u64;
                    if length > 0 {
                        let before = rest[length - 1];
                        let starts = before == self.delimiter || before == b'\n';
                        self.state = if starts { State::Start } else { State::Plain };
                    }
                    at += length;
                    if at < bytes.len() {
                        if self.state == State::Start {
                            self.open();
                        }
                        at += 1;
                    }
                }
                State::Quoted => {
                    let length = memchr(b'"', rest).unwrap_or(rest.len());
                    self.follow(&rest[..length]);
                    if self.length > LONGEST {
                        return Err(self.fault(QuoteFaultKind::TooLong));
                    }
                    at += length;
                    if at < bytes.len() {
                        self.state = State::Quote;
                        at += 1;
                    }
                }
                State::Quote if rest[0] == b'"' => {
                    self.state = State::Quoted;
                    at += 1;
                }
                State::Quote => {
                    self.close();
                    self.state = State::After;
                }
                State::After => {
                    match rest[0] {
                        byte if byte == self.delimiter => self.state = State::Start,
                        b'\n' => {
                            self.state = State::Start;
                            self.line += 1;
                        }
                        b' ' | b'\t' | b'\r' => {}
                        byte => return Err(self.fault(QuoteFaultKind::TextAfter(byte))),
                    }
                    at += 1;
                }
            }
        }
        match self.state {
            State::Quoted if is_end => Err(self.fault(QuoteFaultKind::Open)),
            _ => Ok(()),
        }
    }

    fn open(&mut self) {
        self.state = State::Quoted;
        (self.opened, self.length) = (self.line, 0);
        (self.in_line, self.looks_like_rows) = (None, false);
    }

    /// Follows the content of a field in quotes, line by line.
    fn follow(&mut self, content: &[u8]) {
        self.length += content.len() as u64;
        for at in memchr2_iter(b'\n', self.delimiter, content) {
            if content[at] != b'\n' {
                self.in_line = self.in_line.map(|count| count + 1);
                continue;
            }
            self.line += 1;
            self.looks_like_rows |= self.in_line == self.in_row && self.in_row > Some(0);
            self.in_line = Some(0);
        }
    }

    fn close(&mut self) {
        if self.looks_like_rows {
            self.swallowed.get_or_insert((0, self.opened)).0 += 1;
        }
    }
}

#[cfg(test)]
mod tests;
