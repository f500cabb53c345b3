//! From the caller's pointers to slices: every check that a pointer allows.

use core::slice;

use crate::fault::{Fault, Sink};

/// An input of some elements; without elements the pointer is not read and may be null.
///
/// # Safety
///
/// A pointer that is not null leads to so many elements, which stay as they are for `'a`.
pub(crate) unsafe fn input<'a, T>(
    sink: &Sink,
    name: &'static str,
    pointer: *const T,
    length: usize,
) -> Option<&'a [T]> {
    if length == 0 {
        return Some(&[]);
    }
    check(sink, name, pointer, length)?;
    // SAFETY: not null, aligned, of a size that memory holds; the rest is the caller's promise.
    Some(unsafe { slice::from_raw_parts(pointer, length) })
}

/// An input that may be left out: null is `None`.
///
/// # Safety
///
/// As for [`input`].
pub(crate) unsafe fn optional<'a, T>(
    sink: &Sink,
    name: &'static str,
    pointer: *const T,
    length: usize,
) -> Option<Option<&'a [T]>> {
    if pointer.is_null() {
        return Some(None);
    }
    // SAFETY: the caller's promise.
    unsafe { input(sink, name, pointer, length) }.map(Some)
}

/// A column that is read and written.
///
/// # Safety
///
/// As for [`input`]; no one else reads or writes the elements during `'a`.
pub(crate) unsafe fn in_place<'a, T>(
    sink: &Sink,
    name: &'static str,
    pointer: *mut T,
    length: usize,
) -> Option<&'a mut [T]> {
    if length == 0 {
        return Some(&mut []);
    }
    check(sink, name, pointer, length)?;
    // SAFETY: as in `input`; that nothing else sees the elements is the caller's promise.
    Some(unsafe { slice::from_raw_parts_mut(pointer, length) })
}

/// A column that is read and written, and may be left out.
///
/// # Safety
///
/// As for [`in_place`].
pub(crate) unsafe fn optional_in_place<'a, T>(
    sink: &Sink,
    name: &'static str,
    pointer: *mut T,
    length: usize,
) -> Option<Option<&'a mut [T]>> {
    if pointer.is_null() {
        return Some(None);
    }
    // SAFETY: the caller's promise.
    unsafe { in_place(sink, name, pointer, length) }.map(Some)
}

/// Numbers for which all bits zero are a value.
pub(crate) trait Zeroed: Copy {}

impl Zeroed for u32 {}
impl Zeroed for usize {}
impl Zeroed for f32 {}
impl Zeroed for crate::plan::RecastOutcome {}

/// An output of some elements, zero at first: the caller need not have written them.
///
/// # Safety
///
/// As for [`in_place`], but that the elements may be uninitialised.
pub(crate) unsafe fn output<'a, T: Zeroed>(
    sink: &Sink,
    name: &'static str,
    pointer: *mut T,
    length: usize,
) -> Option<&'a mut [T]> {
    if length == 0 {
        return Some(&mut []);
    }
    check(sink, name, pointer, length)?;
    // SAFETY: not null, aligned, and zero is a value of the type.
    unsafe { pointer.write_bytes(0, length) };
    // SAFETY: as in `in_place`, and every element is written.
    Some(unsafe { slice::from_raw_parts_mut(pointer, length) })
}

/// The one element behind a pointer.
///
/// # Safety
///
/// As for [`input`] with one element.
pub(crate) unsafe fn one<'a, T>(
    sink: &Sink,
    name: &'static str,
    pointer: *const T,
) -> Option<&'a T> {
    check(sink, name, pointer, 1)?;
    // SAFETY: not null and aligned; the rest is the caller's promise.
    Some(unsafe { &*pointer })
}

/// Writes the one element behind a pointer.
///
/// # Safety
///
/// A pointer that is not null leads to memory for the element.
pub(crate) unsafe fn write<T>(
    sink: &Sink,
    name: &'static str,
    place: *mut T,
    value: T,
) -> Option<()> {
    check(sink, name, place, 1)?;
    // SAFETY: not null and aligned; the caller promises the memory.
    unsafe { place.write(value) };
    Some(())
}

/// Bytes of 0 and 1 as marks.
pub(crate) fn marks<'a>(sink: &Sink, name: &'static str, bytes: &'a [u8]) -> Option<&'a [bool]> {
    check_marks(sink, name, bytes)?;
    // SAFETY: every byte is 0 or 1, and bool has the size and alignment of a byte.
    Some(unsafe { slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) })
}

/// Bytes of 0 and 1 as marks that are written.
pub(crate) fn marks_in_place<'a>(
    sink: &Sink,
    name: &'static str,
    bytes: &'a mut [u8],
) -> Option<&'a mut [bool]> {
    check_marks(sink, name, bytes)?;
    // SAFETY: as in `marks`; a written bool is a byte of 0 or 1.
    Some(unsafe { slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len()) })
}

fn check_marks(sink: &Sink, name: &'static str, bytes: &[u8]) -> Option<()> {
    match bytes.iter().position(|&byte| byte > 1) {
        Some(index) => sink.refuse(Fault::Mark { name, index, value: bytes[index] }),
        None => Some(()),
    }
}

/// The number of offsets of so many groups.
pub(crate) fn offset_count(sink: &Sink, groups: usize) -> Option<usize> {
    match groups.checked_add(1) {
        Some(count) => Some(count),
        None => sink.refuse(Fault::Size { name: "groups", length: groups }),
    }
}

/// The product of two counts.
pub(crate) fn product(sink: &Sink, name: &'static str, a: usize, b: usize) -> Option<usize> {
    match a.checked_mul(b) {
        Some(count) => Some(count),
        None => sink.refuse(Fault::Size { name, length: a }),
    }
}

/// Checks that offsets rise from 0, and returns their end.
pub(crate) fn rising(sink: &Sink, name: &'static str, offsets: &[usize]) -> Option<usize> {
    if let Some(&first) = offsets.first()
        && first != 0
    {
        return sink.refuse(Fault::Offsets { name, index: 0, offset: first });
    }
    if let Some(index) = offsets.windows(2).position(|pair| pair[1] < pair[0]) {
        return sink.refuse(Fault::Offsets { name, index: index + 1, offset: offsets[index + 1] });
    }
    Some(offsets.last().copied().unwrap_or(0))
}

fn check<T>(sink: &Sink, name: &'static str, pointer: *const T, length: usize) -> Option<()> {
    check_bytes(sink, name, pointer.addr(), align_of::<T>(), length, size_of::<T>())
}

/// One body for all types: every call of the library has several.
#[inline(never)]
fn check_bytes(
    sink: &Sink,
    name: &'static str,
    address: usize,
    align: usize,
    length: usize,
    size: usize,
) -> Option<()> {
    if address == 0 || !address.is_multiple_of(align) {
        return sink.refuse(Fault::Pointer { name });
    }
    match length.checked_mul(size) {
        Some(bytes) if isize::try_from(bytes).is_ok() => Some(()),
        _ => sink.refuse(Fault::Size { name, length }),
    }
}
