//! From the caller's pointers to slices: every check that a pointer allows.

use core::slice;

use crate::fault::Fault;

/// An input of some elements; without elements the pointer is not read and may be null.
///
/// # Safety
///
/// A pointer that is not null leads to so many elements, which stay as they are for `'a`.
pub(crate) unsafe fn input<'a, T>(
    name: &'static str,
    pointer: *const T,
    length: usize,
) -> Result<&'a [T], Fault> {
    if length == 0 {
        return Ok(&[]);
    }
    check(name, pointer, length)?;
    // SAFETY: not null, aligned, of a size that memory holds; the rest is the caller's promise.
    Ok(unsafe { slice::from_raw_parts(pointer, length) })
}

/// An input that may be left out: null is `None`.
///
/// # Safety
///
/// As for [`input`].
pub(crate) unsafe fn optional<'a, T>(
    name: &'static str,
    pointer: *const T,
    length: usize,
) -> Result<Option<&'a [T]>, Fault> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { input(name, pointer, length) }.map(Some)
}

/// A column that is read and written.
///
/// # Safety
///
/// As for [`input`]; no one else reads or writes the elements during `'a`.
pub(crate) unsafe fn in_place<'a, T>(
    name: &'static str,
    pointer: *mut T,
    length: usize,
) -> Result<&'a mut [T], Fault> {
    if length == 0 {
        return Ok(&mut []);
    }
    check(name, pointer, length)?;
    // SAFETY: as in `input`; that nothing else sees the elements is the caller's promise.
    Ok(unsafe { slice::from_raw_parts_mut(pointer, length) })
}

/// A column that is read and written, and may be left out.
///
/// # Safety
///
/// As for [`in_place`].
pub(crate) unsafe fn optional_in_place<'a, T>(
    name: &'static str,
    pointer: *mut T,
    length: usize,
) -> Result<Option<&'a mut [T]>, Fault> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { in_place(name, pointer, length) }.map(Some)
}

/// Numbers for which all bits zero are a value.
pub(crate) trait Zeroed: Copy {}

impl Zeroed for u32 {}
impl Zeroed for usize {}
impl Zeroed for f32 {}
impl Zeroed for f64 {}
impl Zeroed for crate::plan::RecastOutcome {}

/// An output of some elements, zero at first: the caller need not have written them.
///
/// # Safety
///
/// As for [`in_place`], but that the elements may be uninitialised.
pub(crate) unsafe fn output<'a, T: Zeroed>(
    name: &'static str,
    pointer: *mut T,
    length: usize,
) -> Result<&'a mut [T], Fault> {
    if length == 0 {
        return Ok(&mut []);
    }
    check(name, pointer, length)?;
    // SAFETY: not null, aligned, and zero is a value of the type.
    unsafe { pointer.write_bytes(0, length) };
    // SAFETY: as in `in_place`, and every element is written.
    Ok(unsafe { slice::from_raw_parts_mut(pointer, length) })
}

/// The one element behind a pointer.
///
/// # Safety
///
/// As for [`input`] with one element.
pub(crate) unsafe fn one<'a, T>(name: &'static str, pointer: *const T) -> Result<&'a T, Fault> {
    check(name, pointer, 1)?;
    // SAFETY: not null and aligned; the rest is the caller's promise.
    Ok(unsafe { &*pointer })
}

/// Writes the one element behind a pointer.
///
/// # Safety
///
/// A pointer that is not null leads to memory for the element.
pub(crate) unsafe fn write<T>(name: &'static str, place: *mut T, value: T) -> Result<(), Fault> {
    check(name, place, 1)?;
    // SAFETY: not null and aligned; the caller promises the memory.
    unsafe { place.write(value) };
    Ok(())
}

/// Bytes of 0 and 1 as marks.
pub(crate) fn marks<'a>(name: &'static str, bytes: &'a [u8]) -> Result<&'a [bool], Fault> {
    check_marks(name, bytes)?;
    // SAFETY: every byte is 0 or 1, and bool has the size and alignment of a byte.
    Ok(unsafe { slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) })
}

/// Bytes of 0 and 1 as marks that are written.
pub(crate) fn marks_in_place<'a>(
    name: &'static str,
    bytes: &'a mut [u8],
) -> Result<&'a mut [bool], Fault> {
    check_marks(name, bytes)?;
    // SAFETY: as in `marks`; a written bool is a byte of 0 or 1.
    Ok(unsafe { slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len()) })
}

fn check_marks(name: &'static str, bytes: &[u8]) -> Result<(), Fault> {
    match bytes.iter().position(|&byte| byte > 1) {
        Some(index) => Err(Fault::Mark { name, index, value: bytes[index] }),
        None => Ok(()),
    }
}

/// The number of offsets of so many groups.
pub(crate) fn offset_count(groups: usize) -> Result<usize, Fault> {
    groups.checked_add(1).ok_or(Fault::Size { name: "groups", length: groups })
}

/// The product of two counts.
pub(crate) fn product(name: &'static str, a: usize, b: usize) -> Result<usize, Fault> {
    a.checked_mul(b).ok_or(Fault::Size { name, length: a })
}

/// Checks that offsets rise from 0, and returns their end.
pub(crate) fn rising(name: &'static str, offsets: &[usize]) -> Result<usize, Fault> {
    if let Some(&first) = offsets.first()
        && first != 0
    {
        return Err(Fault::Offsets { name, index: 0, offset: first });
    }
    if let Some(index) = offsets.windows(2).position(|pair| pair[1] < pair[0]) {
        return Err(Fault::Offsets { name, index: index + 1, offset: offsets[index + 1] });
    }
    Ok(offsets.last().copied().unwrap_or(0))
}

fn check<T>(name: &'static str, pointer: *const T, length: usize) -> Result<(), Fault> {
    if pointer.is_null() || !pointer.is_aligned() {
        return Err(Fault::Pointer { name });
    }
    match length.checked_mul(size_of::<T>()) {
        Some(bytes) if isize::try_from(bytes).is_ok() => Ok(()),
        _ => Err(Fault::Size { name, length }),
    }
}
