//! Source files, each read once. Their bytes are hashed, unpacked and decoded on the way to a
//! reader.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use encoding_rs::Encoding;
use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::stop::Stop;
use crate::error::{Error, Result};

/// The bytes of a text that tell its layout.
pub(crate) const HEAD: usize = 1 << 16;

/// The bytes that a packed text may always have when unpacked.
const UNPACKED: u64 = 1 << 30;
/// Beyond these bytes, the most unpacked bytes for each packed one. Logs pack to a tenth, and the
/// same line over and over to a fortieth or less.
const RATIO: u64 = 200;

/// The checksum of a source file: of the bytes that were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checksum {
    /// SHA-256 in hexadecimal.
    pub(crate) sha256: String,
    /// The number of bytes.
    pub(crate) bytes: u64,
}

/// The source files of one preparation, with the checksums of those that were read to their end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    read: Arc<Mutex<BTreeMap<PathBuf, Checksum>>>,
    stop: Stop,
}

impl Sources {
    /// Source files that are read until the user asks to stop.
    pub(crate) fn until(stop: Stop) -> Self {
        Self { stop, ..Self::default() }
    }

    /// Opens a text file, or a pipe. Text packed by gzip or zstd is unpacked; the first bytes tell
    /// the packing. Text in `encoding`, or in UTF-16 with a byte order mark, becomes UTF-8.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is packed otherwise.
    pub(crate) fn text(&self, path: &Path, encoding: Option<&'static Encoding>) -> Result<Source> {
        let failed = |cause| Error::read(path, cause);
        let raw = self.hashed(path, File::open(path).map_err(failed)?);
        let packed_bytes = Arc::clone(&raw.bytes);
        let unpacked = |bytes: Box<dyn Read + Send>| -> Box<dyn Read + Send> {
            Box::new(Unpacked { bytes, unpacked: 0, packed: packed_bytes, free: UNPACKED })
        };
        let (head, raw) = with_head(raw, 4).map_err(failed)?;
        let unpacked: Box<dyn Read + Send> = match head[..] {
            [0x1f, 0x8b, ..] => unpacked(Box::new(MultiGzDecoder::new(raw))),
            [0x28, 0xb5, 0x2f, 0xfd] => {
                unpacked(Box::new(zstd::Decoder::new(raw).map_err(failed)?))
            }
            [b'P', b'K', 3, 4] => return Err(packed(path, "zip")),
            [b'B', b'Z', b'h', _] => return Err(packed(path, "bzip2")),
            [0xfd, b'7', b'z', b'X'] => return Err(packed(path, "xz")),
            _ => Box::new(raw),
        };
        let mut decoder = DecodeReaderBytesBuilder::new();
        let decoded = decoder
            .encoding(encoding)
            .utf8_passthru(true)
            .strip_bom(true)
            .bom_override(true)
            .build(unpacked);
        let (head, decoded) = with_head(decoded, HEAD).map_err(failed)?;
        Ok(Source { path: path.to_owned(), head, bytes: Box::new(decoded), last: None })
    }

    /// Opens a file that is read at several places. The file is hashed first, through the same
    /// handle.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is none: a pipe cannot be read at several places.
    pub(crate) fn file(&self, path: &Path) -> Result<File> {
        let failed = |cause| Error::read(path, cause);
        let file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            let hint = "write it to a file first";
            return Err(Error::file(path, "is no file that can be read at several places", hint));
        }
        let mut hashed = self.hashed(path, file);
        io::copy(&mut hashed, &mut io::sink()).map_err(failed)?;
        let mut file = hashed.file;
        file.rewind().map_err(failed)?;
        Ok(file)
    }

    /// The checksums of the files that were read to their end, by path.
    pub(crate) fn checksums(&self) -> BTreeMap<String, Checksum> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.iter().map(|(path, sum)| (path.display().to_string(), sum.clone())).collect()
    }

    fn hashed(&self, path: &Path, file: File) -> Hashed {
        let (path, read) = (path.to_owned(), Arc::clone(&self.read));
        let (hash, bytes, stop) = (Sha256::new(), Arc::default(), self.stop.clone());
        Hashed { path, file, hash, bytes, read, stop }
    }
}

/// A text file on its way to a reader: UTF-8 without a byte order mark, unless bytes that are not
/// text stand in a file without a declared encoding.
pub(crate) struct Source {
    path: PathBuf,
    head: Arc<[u8]>,
    bytes: Box<dyn Read + Send>,
    last: Option<u8>,
}

impl Source {
    /// The path, for errors.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The first bytes, at most 64 KiB. The reader gets these bytes too.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The last byte that was read.
    pub(crate) fn last(&self) -> Option<u8> {
        self.last
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.bytes.read(buffer)?;
        self.last = buffer[..length].last().copied().or(self.last);
        Ok(length)
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A file whose bytes are hashed while they are read.
struct Hashed {
    path: PathBuf,
    file: File,
    hash: Sha256,
    /// The bytes read so far, of which whoever unpacks them hears too.
    bytes: Arc<AtomicU64>,
    read: Arc<Mutex<BTreeMap<PathBuf, Checksum>>>,
    stop: Stop,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stop.check()?;
        let length = self.file.read(buffer)?;
        self.hash.update(&buffer[..length]);
        let bytes = self.bytes.fetch_add(length as u64, Ordering::Relaxed) + length as u64;
        if length == 0 && !buffer.is_empty() {
            let sha256 = hexadecimal(&self.hash.clone().finalize());
            let sum = Checksum { sha256, bytes };
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            read.insert(self.path.clone(), sum);
        }
        Ok(length)
    }
}

/// A text that is unpacked on the way. A small file that unpacks to a huge one, as no log does, is
/// an error before the memory is gone.
struct Unpacked {
    bytes: Box<dyn Read + Send>,
    /// Bytes that came out.
    unpacked: u64,
    /// Bytes that went in.
    packed: Arc<AtomicU64>,
    /// Bytes that may come out, however few went in.
    free: u64,
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.bytes.read(buffer)?;
        self.unpacked += length as u64;
        let packed = self.packed.load(Ordering::Relaxed);
        if self.unpacked > self.free && self.unpacked / RATIO > packed {
            return Err(io::Error::other(format!(
                "{packed} packed bytes unpack to more than {}, {RATIO} times as many: unpack the file by hand if it is \
                 what it should be",
                self.unpacked
            )));
        }
        Ok(length)
    }
}

/// The first bytes, at most `length`, and a reader of all bytes.
fn with_head<R: Read>(mut bytes: R, length: usize) -> io::Result<(Arc<[u8]>, impl Read + use<R>)> {
    let mut head = Vec::new();
    bytes.by_ref().take(length as u64).read_to_end(&mut head)?;
    let head: Arc<[u8]> = head.into();
    Ok((Arc::clone(&head), Cursor::new(head).chain(bytes)))
}

fn packed(path: &Path, kind: &str) -> Error {
    let problem = format!("is packed by {kind}, and only gzip and zstd are unpacked here");
    Error::file(path, problem, "unpack it first")
}

/// Bytes as two digits each.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    const TEXT: &str = "user,item,timestamp\nü,i,1\n";

    fn read(bytes: &[u8], encoding: Option<&'static Encoding>) -> (String, Sources) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        let sources = Sources::default();
        let mut source = sources.text(file.path(), encoding).unwrap();
        let head = String::from_utf8_lossy(source.head()).into_owned();
        let mut text = String::new();
        source.read_to_string(&mut text).unwrap();
        assert_eq!(head, text);
        assert_eq!(source.last(), text.bytes().last());
        (text, sources)
    }

    #[test]
    fn packed_text_is_read_as_its_plain_text() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(TEXT.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(TEXT.as_bytes(), 1).unwrap();
        let two_members = [&gzip[..], &gzip[..]].concat();
        assert_eq!(read(TEXT.as_bytes(), None).0, TEXT);
        assert_eq!(read(&gzip, None).0, TEXT);
        assert_eq!(read(&zstd, None).0, TEXT);
        assert_eq!(read(&two_members, None).0, TEXT.repeat(2));
    }

    #[test]
    fn the_checksum_is_that_of_the_bytes_of_the_file() {
        for bytes in [TEXT.as_bytes(), &zstd::encode_all(TEXT.as_bytes(), 1).unwrap(), b""] {
            let (_, sources) = read(bytes, None);
            let sums: Vec<Checksum> = sources.checksums().into_values().collect();
            let sha256 = hexadecimal(&Sha256::digest(bytes));
            assert_eq!(sums, [Checksum { sha256, bytes: bytes.len() as u64 }]);
        }
    }

    #[test]
    fn a_file_read_at_several_places_starts_at_its_first_byte() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), TEXT).unwrap();
        let sources = Sources::default();
        let mut text = String::new();
        sources.file(file.path()).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, TEXT);
        assert_eq!(sources.checksums().len(), 1);
    }

    #[test]
    fn encodings_become_utf_8() {
        let utf16: Vec<u8> =
            std::iter::once(0xfeff).chain(TEXT.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&utf16, None).0, TEXT);
        let latin: Vec<u8> = TEXT.chars().map(|letter| letter as u8).collect();
        assert_eq!(read(&latin, Some(encoding_rs::WINDOWS_1252)).0, TEXT);
        let marked = format!("\u{feff}{TEXT}");
        assert_eq!(read(marked.as_bytes(), None).0, TEXT);
    }

    #[test]
    fn other_packings_are_named() {
        for (bytes, kind) in
            [(&b"PK\x03\x04.."[..], "zip"), (b"BZh9..", "bzip2"), (b"\xfd7zXZ\0", "xz")]
        {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), bytes).unwrap();
            let message = Sources::default().text(file.path(), None).unwrap_err().to_string();
            assert!(message.contains(&format!("is packed by {kind}")), "{message}");
        }
    }

    #[test]
    fn a_packed_text_that_unpacks_without_end_is_an_error() {
        let read = |packed: u64, text: usize| {
            let bytes: Box<dyn Read + Send> = Box::new(io::repeat(b'0').take(text as u64));
            let packed = Arc::new(AtomicU64::new(packed));
            let mut bomb = Unpacked { bytes, unpacked: 0, packed, free: 1 << 16 };
            bomb.read_to_end(&mut Vec::new()).map_err(|fault| fault.to_string())
        };
        // little text is free, and much of it needs some bytes that it comes from
        assert_eq!(read(1, 1 << 16), Ok(1 << 16));
        assert_eq!(read(1 << 12, 1 << 19), Ok(1 << 19));
        let fault = read(1 << 10, 1 << 30).unwrap_err();
        assert!(fault.starts_with("1024 packed bytes unpack to more than "), "{fault}");
    }

    #[test]
    fn a_cut_archive_is_an_error() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(TEXT.repeat(9999).as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(TEXT.repeat(9999).as_bytes(), 1).unwrap();
        for bytes in [gzip, zstd] {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), &bytes[..bytes.len() - 9]).unwrap();
            let source = Sources::default().text(file.path(), None);
            let read = source.map(|mut it| it.read_to_end(&mut Vec::new()));
            assert!(!matches!(read, Ok(Ok(_))));
        }
    }
}
