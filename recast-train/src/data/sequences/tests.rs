use super::*;

fn sample() -> Sequences {
    Sequences {
        users: ["u", "v \"w\""].into_iter().collect(),
        items: ["10", "11", "13"].into_iter().collect(),
        item_rows: vec![0, 1, 3],
        log_items: 4,
        offsets: vec![0, 2, 5],
        flat: vec![0, 2, 1, 1, 0],
        timestamps: vec![-5, 7, 1, 1, 2],
        given: None,
    }
}

fn with_split() -> Sequences {
    let held_out = vec![HeldOut { valid: 0, test: 1 }, HeldOut { valid: 1, test: 1 }];
    Sequences { given: Some(GivenSplit { max_history: 10, held_out }), ..sample() }
}

fn written() -> String {
    text_of(&sample())
}

fn text_of(sequences: &Sequences) -> String {
    let mut bytes = Vec::new();
    sequences.write_to(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn load(content: &str) -> std::result::Result<Sequences, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    Sequences::load(file.path())
        .map_err(|error| error.to_string().replace(&file.path().display().to_string(), "FILE"))
}

#[test]
fn what_is_written_is_read() {
    for sequences in [sample(), with_split()] {
        assert_eq!(load(&text_of(&sequences)).unwrap(), sequences);
    }
}

#[test]
fn a_sequence_is_the_slice_of_its_user() {
    let sequences = sample();
    assert_eq!(sequences.sequence(1), [1, 1, 0]);
    assert_eq!(sequences.iter().map(<[u32]>::len).collect::<Vec<_>>(), [2, 3]);
    assert_eq!((sequences.len(), sequences.n_items()), (2, 3));
}

#[test]
fn a_user_without_items_has_an_empty_history() {
    let mut histories = Histories::default();
    histories.push(&[]);
    histories.push(&[4, 5]);
    assert_eq!((histories.sequence(0), histories.sequence(1)), (&[][..], &[4, 5][..]));
    assert_eq!((histories.len(), histories.iter().count()), (2, 2));
}

#[test]
fn a_file_cut_short_is_an_error() {
    let text = written();
    let cut = text.trim_end().rsplit_once('\n').unwrap().0;
    assert_eq!(
        load(cut).unwrap_err(),
        "FILE: holds 1 users where its header says 2; it is cut short or edited: prepare the data again"
    );
    assert_eq!(load("").unwrap_err(), "FILE: is empty; prepare the data again");
    let message = load(&text[..text.len() - 4]).unwrap_err();
    assert!(message.starts_with("FILE:3: EOF while parsing"), "{message}");
}

#[test]
fn lines_that_do_not_fit_are_named() {
    for (from, to, problem) in [
        ("\"items\":[0,2]", "\"items\":[0,3]", "2: item index 3 where 3 items are known"),
        ("\"items\":[0,2]", "\"items\":[0]", "2: 1 items but 2 timestamps"),
        ("\"v \\\"w\\\"\"", "\"u\"", "3: user 'u' stands twice"),
        (
            "\"recast_sequences\":1",
            "\"recast_sequences\":2",
            "1: layout version 2 where this program reads 1",
        ),
        ("\"10\",\"11\"", "\"10\",\"10\"", "1: item '10' stands twice"),
        ("[0,1,3]", "[0,1]", "1: 3 items but 2 item rows"),
        ("[0,1,3]", "[0,1,4]", "1: item row 4 in a log of 4 items"),
    ] {
        assert_refused(&sample(), from, to, problem);
    }
}

#[test]
fn a_split_that_does_not_fit_is_named() {
    for (from, to, problem) in [
        ("\"max_history\":10", "\"max_history\":0", "1: a 'max_history' of 0"),
        (",\"max_history\":10", "", "2: has 'held_out' where the header has no 'max_history'"),
        (",\"held_out\":{\"valid\":0,\"test\":1}", "", "2: has no 'held_out'"),
        ("\"valid\":1", "\"valid\":2", "3: 3 of 3 items held out"),
    ] {
        assert_refused(&with_split(), from, to, problem);
    }
}

#[track_caller]
fn assert_refused(sequences: &Sequences, from: &str, to: &str, problem: &str) {
    let text = text_of(sequences).replacen(from, to, 1);
    assert_ne!(text, text_of(sequences), "{from}");
    assert_eq!(load(&text).unwrap_err(), format!("FILE:{problem}; prepare the data again"));
}
