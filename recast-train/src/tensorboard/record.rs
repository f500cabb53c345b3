//! The bytes of an event file: TFRecord framing around protocol buffers of TensorBoard.
//!
//! ```text
//! record  = length: u64, masked CRC of the length: u32, data, masked CRC of the data: u32
//! Event   = 1: wall_time double, 2: step int64, 3: file_version string | 5: summary Summary
//! Summary = 1: repeated Value;  Value = 1: tag string, 2: simple_value float
//! ```
//!
//! Numbers are little-endian, CRCs are CRC32C. See the format in TensorFlow's
//! `core/lib/io/record_writer.h`, and the messages in its `core/util/event.proto` and
//! `core/framework/summary.proto`.

/// The kinds of a field on the wire.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// The first event of a file.
pub(super) fn version(wall_time: f64) -> Vec<u8> {
    let mut event = started(wall_time, 0);
    put_bytes(&mut event, 3, b"brain.Event:2");
    event
}

/// An event of scalars by their tags.
pub(super) fn scalars(wall_time: f64, step: u64, values: &[(String, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in values {
        let mut scalar = Vec::new();
        put_bytes(&mut scalar, 1, tag.as_bytes());
        put_varint(&mut scalar, 2 << 3 | FIXED32);
        scalar.extend((*value as f32).to_le_bytes());
        put_bytes(&mut summary, 1, &scalar);
    }
    let mut event = started(wall_time, step);
    put_bytes(&mut event, 5, &summary);
    event
}

/// A record around data.
pub(super) fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked(crc32c::crc32c(&length)).to_le_bytes());
    record.extend(data);
    record.extend(masked(crc32c::crc32c(data)).to_le_bytes());
    record
}

/// A CRC as TFRecord stores it: turned by 15 bits, plus a constant.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

fn started(wall_time: f64, step: u64) -> Vec<u8> {
    let mut event = Vec::new();
    put_varint(&mut event, 1 << 3 | FIXED64);
    event.extend(wall_time.to_le_bytes());
    put_varint(&mut event, 2 << 3 | VARINT);
    put_varint(&mut event, step);
    event
}

fn put_bytes(message: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(message, field << 3 | BYTES);
    put_varint(message, bytes.len() as u64);
    message.extend(bytes);
}

/// A number in groups of 7 bits, the lowest first; the highest bit of a byte says that more follow.
fn put_varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}
