use std::fs;
use std::path::PathBuf;

use ::safetensors::tensor::TensorView;
use ::safetensors::{Dtype, SafeTensors};
use half::{bf16, f16};
use npyz::{Order, WriterBuilder};

use super::*;

use crate::embedding::TENSOR_NAME;

mod by_id;
#[cfg(feature = "parquet")]
mod tables;

fn npy<T: npyz::AutoSerialize + Copy>(shape: &[u64], order: Order, values: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let builder = npyz::WriteOptions::new().default_dtype().shape(shape).order(order);
    let mut writer = builder.writer(&mut bytes).begin_nd().unwrap();
    writer.extend(values.iter().copied()).unwrap();
    writer.finish().unwrap();
    bytes
}

fn tensors(list: &[(&str, Dtype, &[usize], &[u8])]) -> Vec<u8> {
    let views = list.iter().map(|&(name, dtype, shape, data)| {
        (name.to_owned(), TensorView::new(dtype, shape.to_vec(), data).unwrap())
    });
    ::safetensors::serialize(views, None).unwrap()
}

fn read(name: &str, bytes: &[u8]) -> Result<Embeddings> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    read_embeddings(&path)
}

#[track_caller]
fn assert_fault(name: &str, bytes: &[u8], part: &str) {
    let message = read(name, bytes).unwrap_err().to_string();
    assert!(message.contains(part), "'{part}' is not in: {message}");
    assert!(message.contains(name), "the path is not in: {message}");
}

const ROWS: [f32; 6] = [1.0, -2.5, 0.0, 0.5, 4.0, -0.25];

#[test]
fn every_float_type_reads_alike() {
    let expected = Embeddings::new(3, ROWS.to_vec()).unwrap();
    let half = ROWS.map(f16::from_f32);
    let brain: Vec<u8> = ROWS.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect();
    let half_bytes: Vec<u8> = half.iter().flat_map(|x| x.to_le_bytes()).collect();
    let single: Vec<u8> = ROWS.iter().flat_map(|x| x.to_le_bytes()).collect();
    let files = [
        ("a.npy", npy(&[2, 3], Order::C, &half)),
        ("a.npy", npy(&[2, 3], Order::C, &ROWS)),
        ("a.npy", npy(&[2, 3], Order::C, &ROWS.map(f64::from))),
        ("a.safetensors", tensors(&[("x", Dtype::F16, &[2, 3], &half_bytes)])),
        ("a.safetensors", tensors(&[("x", Dtype::BF16, &[2, 3], &brain)])),
        (
            "a.safetensors",
            tensors(&[
                ("embeddings", Dtype::F32, &[2, 3], &single),
                ("other", Dtype::F32, &[6], &single),
            ]),
        ),
    ];
    for (name, bytes) in files {
        assert_eq!(read(name, &bytes).unwrap(), expected);
    }
    assert_eq!(expected.rows(), 2);
    assert_eq!(expected.row(1), &ROWS[3..]);
}

#[test]
fn every_bad_npy_file_gives_its_message() {
    let good = npy(&[2, 3], Order::C, &ROWS);
    assert_fault("a.npy", &good[..good.len() - 1], "23 bytes of values where [2, 3] of 4");
    assert_fault("a.npy", &good[..20], "not a .npy file");
    assert_fault("a.npy", b"", "not a .npy file");
    let nested = [b"\x93NUMPY\x01\0\x40\0", &[b'['; 64][..]].concat();
    assert_fault("a.npy", &nested, "more than 8 brackets within each other");
    assert_fault("a.npy", b"\x93NUMPY\x02\0\xff\xff\xff\xff{}", "a header of 4294967295 bytes");
    assert_fault("a.npy", &npy(&[6], Order::C, &ROWS), "1 dimensions [6]");
    assert_fault("a.npy", &npy(&[2, 3], Order::Fortran, &ROWS), "Fortran order");
    assert_fault("a.npy", &npy(&[2, 3], Order::C, &[1i32; 6]), "type '<i4'");
    assert_fault("a.npy", &npy::<f32>(&[0, 3], Order::C, &[]), "0 values");
    assert_fault("a.npy", &npy(&[2, 3], Order::C, &[1e300f64; 6]), "row 0, column 0 is inf");
    let mut rows = ROWS;
    rows[5] = f32::NAN;
    assert_fault("a.npy", &npy(&[2, 3], Order::C, &rows), "row 1, column 2 is NaN");
}

#[test]
fn every_bad_safetensors_file_gives_its_message() {
    let bytes = [0u8; 24];
    let one = tensors(&[("x", Dtype::F32, &[2, 3], &bytes)]);
    assert_fault("a.safetensors", &one[..one.len() - 1], "not a .safetensors file");
    assert_fault("a.safetensors", b"", "not a .safetensors file");
    let two = tensors(&[("x", Dtype::F32, &[2, 3], &bytes), ("y", Dtype::F32, &[2, 3], &bytes)]);
    assert_fault("a.safetensors", &two, "2 tensors, none of them named 'embeddings'");
    let integers = tensors(&[("x", Dtype::I32, &[2, 3], &bytes)]);
    assert_fault("a.safetensors", &integers, "values of type I32");
    let vector = tensors(&[("x", Dtype::F32, &[6], &bytes)]);
    assert_fault("a.safetensors", &vector, "1 dimensions [6]");
    let infinite = [f32::INFINITY.to_le_bytes(); 6].concat();
    let infinite = tensors(&[("x", Dtype::F32, &[2, 3], &infinite)]);
    assert_fault("a.safetensors", &infinite, "row 0, column 0 is inf");
}

#[test]
fn what_is_saved_is_a_file_of_the_format_and_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    for dim in 1..4 {
        let embeddings = Embeddings::new(dim, ROWS[..dim * 2].to_vec()).unwrap();
        embeddings.save(&path, None).unwrap();
        assert_eq!(read_embeddings(&path).unwrap(), embeddings);
        let bytes = fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = file.tensor(TENSOR_NAME).unwrap();
        assert_eq!((tensor.dtype(), tensor.shape()), (Dtype::F32, &[2, dim][..]));
    }
}

#[test]
fn ids_are_saved_beside_their_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let embeddings = Embeddings::new(1, ROWS[..3].to_vec()).unwrap();
    let ids = ["7", "thé vert", "a"];
    embeddings.save(&path, Some(&ids)).unwrap();
    let rows = embeddings_of(&path, None, &Sources::default()).unwrap();
    assert_eq!((rows.embeddings, rows.ids.unwrap()), (embeddings, ids.map(str::to_owned).to_vec()));
    SafeTensors::deserialize(&fs::read(&path).unwrap()).unwrap();
}

#[test]
fn headers_that_announce_too_much_are_refused() {
    let mut bytes = u64::MAX.to_le_bytes().to_vec();
    bytes.extend([b'{'; 40]);
    assert_fault("a.safetensors", &bytes, "a header of 18446744073709551615 bytes");
    bytes[..8].copy_from_slice(&41u64.to_le_bytes());
    assert_fault("a.safetensors", &bytes, "a header of 41 bytes in a file of 48");
}

#[test]
fn other_and_missing_files_are_named() {
    assert_fault("a.csv", b"1,2", "unknown kind");
    let missing = read_embeddings(&PathBuf::from("/nowhere/a.npy")).unwrap_err();
    assert!(missing.to_string().contains("/nowhere/a.npy: cannot be read"));
}

#[test]
fn a_wrong_number_of_rows_gives_both_numbers() {
    let embeddings = Embeddings::new(3, ROWS.to_vec()).unwrap();
    let path = Path::new("items.npy");
    assert!(embeddings.check_rows(2, path).is_ok());
    let message = embeddings.check_rows(5, path).unwrap_err().to_string();
    assert!(message.contains("items.npy: 2 rows of embeddings for 5 items; "), "{message}");
}
