//! Files that name the item of each row.

use std::collections::BTreeSet;
use std::io::{Cursor, Write};

use proptest::prelude::*;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

#[cfg(feature = "parquet")]
use super::tables;
use super::*;

fn read_rows(name: &str, bytes: &[u8], id_name: Option<&str>) -> Result<EmbeddingRows> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    embeddings_of(&path, id_name, &Sources::default())
}

/// The file of an array with the type `descr`.
fn array(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// Ids as an array of code points.
fn unicode(ids: &[String], big_endian: bool) -> Vec<u8> {
    let width = ids.iter().map(|id| id.chars().count()).max().unwrap().max(1);
    let bytes = |id: &String| {
        let points = id.chars().map(u32::from).chain(std::iter::repeat(0)).take(width);
        let order = if big_endian { u32::to_be_bytes } else { u32::to_le_bytes };
        points.flat_map(order).collect::<Vec<u8>>()
    };
    let descr = format!("{}U{width}", if big_endian { '>' } else { '<' });
    let data: Vec<u8> = ids.iter().flat_map(bytes).collect();
    array(&descr, &format!("({},)", ids.len()), &data)
}

/// Ids as UTF-8 of one width, filled up with zeros, and the width.
fn padded(ids: &[String]) -> (usize, Vec<u8>) {
    let width = ids.iter().map(String::len).max().unwrap().max(1);
    let bytes =
        |id: &String| id.bytes().chain(std::iter::repeat(0)).take(width).collect::<Vec<u8>>();
    (width, ids.iter().flat_map(bytes).collect())
}

fn npz(arrays: &[(&str, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let options = SimpleFileOptions::default().compression_method(method);
        writer.start_file(format!("{name}.npy"), options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn stored(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    npz(arrays, CompressionMethod::Stored)
}

fn ids(list: &[&str]) -> Vec<String> {
    list.iter().map(|id| (*id).to_owned()).collect()
}

fn matrix(rows: u64) -> Vec<u8> {
    let values: Vec<f32> = (0..rows * 2).map(|value| value as f32).collect();
    npy(&[rows, 2], Order::C, &values)
}

/// A table in Parquet; `None` in builds that read none.
#[cfg(not(feature = "parquet"))]
fn table_in_two_groups(_: &[String], _: &[f32]) -> Option<Vec<u8>> {
    None
}

/// A table in Parquet.
#[cfg(feature = "parquet")]
fn table_in_two_groups(ids: &[String], values: &[f32]) -> Option<Vec<u8>> {
    let dim = values.len() / ids.len();
    let schema = format!("required binary item (UTF8); {}", tables::list("embedding", "float"));
    let group = |ids: &[String], values: &[f32]| {
        vec![
            tables::Column::Text(ids.to_vec()),
            tables::Column::Lists(values.chunks(dim).map(<[f32]>::to_vec).collect()),
        ]
    };
    let half = ids.len() / 2;
    let (first, second) = (&values[..half * dim], &values[half * dim..]);
    Some(tables::table(&schema, &[group(&ids[..half], first), group(&ids[half..], second)]))
}

/// Ids that a careless reader would change, and a width of rows.
fn hostile() -> impl Strategy<Value = (Vec<String>, usize)> {
    let letter = prop_oneof![
        any::<char>(),
        proptest::sample::select(vec![
            ',', '"', '\'', '\t', ' ', '|', ':', '\\', '0', '9', '-', '.'
        ]),
    ];
    let text = proptest::collection::vec(letter, 1..12).prop_map(|it| it.into_iter().collect());
    let digits = proptest::collection::vec(0u8..10, 1..30)
        .prop_map(|it| it.iter().map(|digit| char::from(b'0' + digit)).collect::<String>());
    let id = prop_oneof![text, digits].prop_filter_map("no id", |id: String| {
        // readers take white space around ids away, and zeros fill up texts of one width
        let id = id.replace('\0', "0").trim().to_owned();
        (!id.is_empty()).then_some(id)
    });
    (proptest::collection::vec(id, 1..40), 1usize..4).prop_map(|(ids, dim)| {
        let mut seen = BTreeSet::new();
        (ids.into_iter().filter(|id| seen.insert(id.clone())).collect(), dim)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_ids_read_back_as_written_in_every_format((ids, dim) in hostile()) {
        let rows = ids.len();
        let values: Vec<f32> = (0..rows * dim).map(|value| value as f32 - 7.5).collect();
        let matrix = npy(&[rows as u64, dim as u64], Order::C, &values);
        let (width, bytes) = padded(&ids);
        let single: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let byte_ids = array(&format!("|S{width}"), &format!("({rows},)"), &bytes);
        let files = vec![
            ("a.npz", stored(&[("ids", unicode(&ids, false)), ("embeds", matrix.clone())])),
            ("a.npz", npz(&[("x", matrix.clone()), ("y", unicode(&ids, true))], CompressionMethod::Deflated)),
            ("a.npz", stored(&[("embeddings", matrix), ("item_ids", byte_ids)])),
            (
                "a.safetensors",
                tensors(&[
                    ("embeddings", Dtype::F32, &[rows, dim], &single),
                    ("ids", Dtype::U8, &[rows, width], &bytes),
                ]),
            ),
        ];
        let table = table_in_two_groups(&ids, &values).map(|table| ("a.parquet", table));
        for (name, bytes) in files.into_iter().chain(table) {
            let read = read_rows(name, &bytes, None).unwrap();
            prop_assert_eq!(read.ids.as_ref(), Some(&ids), "{}", name);
            prop_assert_eq!(read.embeddings.values(), &values[..], "{}", name);
        }
    }
}

#[test]
fn integers_of_every_size_are_ids_by_their_digits() {
    let bytes = |values: &[u64], width: usize, big: bool| -> Vec<u8> {
        let order = |value: &u64| match big {
            true => value.to_be_bytes()[8 - width..].to_vec(),
            false => value.to_le_bytes()[..width].to_vec(),
        };
        values.iter().flat_map(order).collect()
    };
    let most = u64::MAX;
    for (descr, width, values, expected) in [
        ("|i1", 1, [most, 1], ["-1", "1"]),
        ("|u1", 1, [255, 1], ["255", "1"]),
        ("<i2", 2, [most - 1, 300], ["-2", "300"]),
        (">u2", 2, [65535, 7], ["65535", "7"]),
        ("<i4", 4, [most, 1 << 30], ["-1", "1073741824"]),
        (">i4", 4, [most, 1 << 30], ["-1", "1073741824"]),
        ("<i8", 8, [1 << 63, 1 << 53 | 1], ["-9223372036854775808", "9007199254740993"]),
        ("<u8", 8, [most, most - 1], ["18446744073709551615", "18446744073709551614"]),
        (">u8", 8, [most, 0], ["18446744073709551615", "0"]),
    ] {
        let data = bytes(&values, width, descr.starts_with('>'));
        let file = stored(&[("ids", array(descr, "(2,)", &data)), ("embeds", matrix(2))]);
        assert_eq!(
            read_rows("a.npz", &file, None).unwrap().ids.unwrap(),
            ids(&expected),
            "{descr}"
        );
    }
    let wide: Vec<u8> = [u64::MAX, 5].iter().flat_map(|id| id.to_le_bytes()).collect();
    let rows = [0u8; 16];
    for (dtype, expected) in
        [(Dtype::I64, ["-1", "5"]), (Dtype::U64, ["18446744073709551615", "5"])]
    {
        let list =
            [("embeddings", Dtype::F32, &[2, 2][..], &rows[..]), ("ids", dtype, &[2], &wide)];
        let read = read_rows("a.safetensors", &tensors(&list), None).unwrap();
        assert_eq!(read.ids.unwrap(), ids(&expected));
    }
}

#[test]
fn floats_are_ids_where_they_count() {
    let npz_of = |descr: &str, data: &[u8]| {
        stored(&[("ids", array(descr, "(2,)", data)), ("embeds", matrix(2))])
    };
    let single = |ids: [f32; 2]| ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>();
    let double = |ids: [f64; 2]| ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>();
    let read = |file: &[u8]| read_rows("a.npz", file, None).map(|rows| rows.ids.unwrap());
    assert_eq!(
        read(&npz_of("<f4", &single([3.0, 16_777_215.0]))).unwrap(),
        ids(&["3", "16777215"])
    );
    assert_eq!(
        read(&npz_of("<f8", &double([-3.0, 9_007_199_254_740_991.0]))).unwrap(),
        ids(&["-3", "9007199254740991"])
    );
    for file in [
        npz_of("<f4", &single([3.0, 16_777_216.0])),
        npz_of("<f8", &double([3.0, 9_007_199_254_740_992.0])),
        npz_of("<f8", &double([3.0, 1.5])),
        npz_of("<f8", &double([3.0, f64::NAN])),
    ] {
        let message = read(&file).unwrap_err().to_string();
        assert!(message.contains("the id of row 1 is the float"), "{message}");
    }
}

#[test]
fn arrays_are_told_by_name_and_else_by_shape() {
    let names = ids(&["b", "a"]);
    let other = npy(&[2, 2], Order::C, &[9.0f64; 4]);
    let weights = npy(&[2], Order::C, &[0.5f32; 2]);
    for arrays in [
        vec![("ids", unicode(&names, false)), ("embeds", matrix(2))],
        vec![("arr_0", matrix(2)), ("arr_1", unicode(&names, false))],
        vec![
            ("items", unicode(&names, false)),
            ("vectors", matrix(2)),
            ("weights", weights.clone()),
        ],
        vec![("asin", unicode(&names, false)), ("embeddings", matrix(2)), ("old", other.clone())],
        vec![("IDs", unicode(&names, false)), ("Embeddings", matrix(2)), ("old", other.clone())],
    ] {
        let read = read_rows("a.npz", &stored(&arrays), None).unwrap();
        assert_eq!((read.ids.unwrap(), read.embeddings.row(1)), (names.clone(), &[2.0, 3.0][..]));
    }
    let arrays = [("ids", weights.clone()), ("sku", unicode(&names, false)), ("emb", matrix(2))];
    assert_eq!(read_rows("a.npz", &stored(&arrays), Some("sku")).unwrap().ids.unwrap(), names);
    assert!(read_rows("a.npz", &stored(&[("x", matrix(2))]), None).unwrap().ids.is_none());
    assert_fault(
        "a.npz",
        &stored(&[("x", matrix(2)), ("y", other.clone())]),
        "told as the matrix among",
    );
    // numbers of another name may be no ids
    let counts = [("x", matrix(2)), ("popularity", array("<i8", "(2,)", &[0; 16]))];
    let told = "told as the ids among 'x' [2, 2] of '<f4', 'popularity' [2] of '<i8'";
    assert_fault("a.npz", &stored(&counts), told);
}

#[test]
fn every_bad_archive_gives_its_message() {
    let names = ids(&["b", "a"]);
    let of = |ids: Vec<u8>| stored(&[("ids", ids), ("embeds", matrix(2))]);
    let good = of(unicode(&names, false));
    assert_fault("a.npz", &good[..good.len() - 30], "not a .npz file");
    let mut damaged = good.clone();
    let last = damaged.windows(4).rposition(|it| it == 3.0f32.to_le_bytes()).unwrap();
    damaged[last] ^= 1;
    assert_fault("a.npz", &damaged, "array 'embeds': not a .npy file: Invalid checksum");
    assert_fault(
        "a.npz",
        &of(array("|O", "(2,)", b"pickle")),
        "array 'ids': ids of type '|O'; save ids as integers or as text",
    );
    assert_fault("a.npz", &of(array("|b1", "(2,)", &[0, 1])), "ids of type '|b1'");
    assert_fault("a.npz", &of(array("<U0", "(2,)", &[])), "ids of type '<U0'");
    assert_fault("a.npz", &of(array("<i8", "(2, 2)", &[0; 32])), "ids in an array of shape [2, 2]");
    assert_fault("a.npz", &of(array("<i8", "(2,)", &[0; 12])), "12 bytes of ids where 2 of 8");
    assert_fault(
        "a.npz",
        &of(array("<i8", "(2,)", &[1; 17])),
        "array 'ids': holds more than its header",
    );
    assert_fault(
        "a.npz",
        &of(array("<U1", "(2,)", &[0xff; 8])),
        "the id of row 0 is not Unicode text",
    );
    assert_fault(
        "a.npz",
        &of(array("|S1", "(2,)", &[b'a', 0xff])),
        "the id of row 1 is not Unicode text",
    );
    assert_fault("a.npz", &of(unicode(&ids(&["a", "b", "c"]), false)), "3 ids for 2 rows");
    assert_fault("a.npz", &of(unicode(&ids(&["a", ""]), false)), "the id of row 1 is empty");
    assert_fault(
        "a.npz",
        &of(unicode(&ids(&["a", "a"]), false)),
        "rows 0 and 1 both have the id 'a'",
    );
    let announced = array("<f4", "(1000000000000, 2)", &[0; 16]);
    let arrays = [("ids", unicode(&names, false)), ("embeds", announced)];
    assert_fault("a.npz", &stored(&arrays), "16 bytes of values where [1000000000000, 2]");
    let objects = [("embeds", array("|O", "(2, 2)", b"pickle"))];
    assert_fault("a.npz", &stored(&objects), "array 'embeds': values of type '|O'");
}

#[test]
fn a_value_that_is_not_finite_is_named_by_its_item() {
    let values = npy(&[2, 2], Order::C, &[0.0f32, 1.0, f32::NAN, 2.0]);
    let file = stored(&[("ids", unicode(&ids(&["b", "a"]), false)), ("embeds", values)]);
    assert_fault("a.npz", &file, "row 1 (item 'a'), column 0 is NaN");
}

#[test]
fn tensors_of_ids_have_one_shape_and_type() {
    let rows = [0u8; 16];
    let of = |dtype, shape: &[usize], bytes: &[u8]| {
        tensors(&[("embeddings", Dtype::F32, &[2, 2], &rows), ("ids", dtype, shape, bytes)])
    };
    let one =
        tensors(&[("vectors", Dtype::F32, &[2, 2], &rows), ("ids", Dtype::U8, &[2, 1], b"ba")]);
    assert_eq!(read_rows("a.safetensors", &one, None).unwrap().ids.unwrap(), ids(&["b", "a"]));
    let half = of(Dtype::F16, &[2], &[0; 4]);
    assert_fault("a.safetensors", &half, "ids of type F16 in 1 dimensions");
    let same = of(Dtype::I32, &[2], &[0; 8]);
    assert_fault("a.safetensors", &same, "rows 0 and 1 both have the id '0'");
    let few = of(Dtype::I32, &[1], &[0; 4]);
    assert_fault("a.safetensors", &few, "1 ids for 2 rows");
    let other = of(Dtype::F32, &[2, 2], &rows);
    assert!(read_rows("a.safetensors", &other, None).unwrap().ids.is_none());
}

#[cfg(feature = "parquet")]
#[test]
fn columns_of_ids_and_lists_are_of_several_types() {
    use tables::Column::{Double, DoubleLists, Int32, Int64, Lists, Text};
    let lists = || Lists(vec![vec![0.0, 1.0], vec![2.0, 3.0]]);
    for (field, column, expected) in [
        ("required int64 movieId", Int64(vec![-1, 1 << 53 | 1]), ["-1", "9007199254740993"]),
        ("required int32 id (UINT_32)", Int32(vec![-1, 1]), ["4294967295", "1"]),
        ("required int64 id (UINT_64)", Int64(vec![-1, 1]), ["18446744073709551615", "1"]),
        ("required double id", Double(vec![3.0, 4.0]), ["3", "4"]),
        ("required binary asin (UTF8)", Text(ids(&["b", "ä"])), ["b", "ä"]),
    ] {
        let schema = format!("{field}; {}", tables::list("vector", "float"));
        let read = read_rows("a.parquet", &tables::table(&schema, &[vec![column, lists()]]), None);
        let read = read.unwrap();
        assert_eq!((read.ids.unwrap(), read.embeddings.row(1)), (ids(&expected), &[2.0, 3.0][..]));
    }
    let schema = format!(
        "required binary title (UTF8); required binary sku (UTF8); {}",
        tables::list("text_vector", "double")
    );
    let columns = vec![
        Text(ids(&["x", "x"])),
        Text(ids(&["b", "a"])),
        DoubleLists(vec![vec![0.5], vec![1.5]]),
    ];
    let file = tables::table(&schema, &[columns]);
    assert_eq!(read_rows("a.parquet", &file, Some("sku")).unwrap().ids.unwrap(), ids(&["b", "a"]));
    assert_fault(
        "a.parquet",
        &file,
        "no column is told as the ids among 'title' (BYTE_ARRAY), 'sku'",
    );
}

#[cfg(feature = "parquet")]
#[test]
fn every_bad_table_of_embeddings_gives_its_message() {
    use tables::Column::{Double, Int64, Lists, Text};
    let schema = format!("required binary item (UTF8); {}", tables::list("embedding", "float"));
    let of = |names: &[&str], lists: Vec<Vec<f32>>| {
        tables::table(&schema, &[vec![Text(ids(names)), Lists(lists)]])
    };
    let names = ["b", "a", "c"];
    let good = of(&names, vec![vec![1.0]; 3]);
    assert_fault("a.parquet", &good[..good.len() - 9], "cannot be read as Parquet");
    assert_fault("a.parquet", b"PAR1", "cannot be read as Parquet");
    assert_fault(
        "a.parquet",
        &of(&names, vec![vec![1.0, 2.0], vec![3.0, 4.0], vec![5.0]]),
        "row 2, of item 'c', has 1 numbers where row 0 has 2",
    );
    assert_fault(
        "a.parquet",
        &of(&names, vec![vec![1.0], vec![], vec![5.0]]),
        "row 1, of item 'a', has no list",
    );
    assert_fault("a.parquet", &of(&["a", "b", "a"], vec![vec![1.0]; 3]), "rows 0 and 2 both");
    assert_fault(
        "a.parquet",
        &of(&names, vec![vec![1.0], vec![2.0], vec![f32::NAN]]),
        "row 2 (item 'c'), column 0 is NaN",
    );
    let integers = format!("required binary item (UTF8); {}", tables::list("embedding", "int64"));
    let none = tables::table(&integers, &[]);
    assert_fault("a.parquet", &none, "column 'embedding' holds lists of INT64");
    let flat = tables::table(
        "required int64 item; required double x;",
        &[vec![Int64(vec![1]), Double(vec![1.0])]],
    );
    assert_fault("a.parquet", &flat, "no column is told as the embeddings among 'item' (INT64)");
    let schema = format!("required double id; {}", tables::list("emb", "float"));
    let floats = tables::table(&schema, &[vec![Double(vec![0.5]), Lists(vec![vec![1.0]])]]);
    assert_fault("a.parquet", &floats, "the id of row 0 is the float 0.5");
}
