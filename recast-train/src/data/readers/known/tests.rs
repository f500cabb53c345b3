use super::super::testing::{named, read_text, read_with};
use super::super::{LogOptions, LogOrder};

type Rows = &'static [(&'static str, &'static str, i64)];

/// Made-up samples in the layouts of public data sets: the extension, the text, the name, and the
/// rows.
const SAMPLES: [(&str, &str, &str, Rows); 24] = [
    (
        ".data",
        "196\t242\t3\t881250949\n186\t302\t5\t891717742\n",
        "MovieLens 100K",
        &[("196", "242", 881_250_949), ("186", "302", 891_717_742)],
    ),
    (
        ".dat",
        "1::1193::5::978300760\n2::661::3::978302109\n",
        "MovieLens 1M or 10M",
        &[("1", "1193", 978_300_760), ("2", "661", 978_302_109)],
    ),
    (
        ".dat",
        "1::122::4.5::838985046\n1::185::5::838983525\n",
        "MovieLens 1M or 10M",
        &[("1", "122", 838_985_046), ("1", "185", 838_983_525)],
    ),
    (
        ".csv",
        "userId,movieId,rating,timestamp\n1,2,3.5,1112486027\n1,29,3.5,1112484676\n",
        "MovieLens 20M to 32M",
        &[("1", "2", 1_112_486_027), ("1", "29", 1_112_484_676)],
    ),
    (
        ".json",
        "{\"reviewerID\": \"A1MADEUP\", \"asin\": \"B00MADEUP1\", \"reviewerName\": \"n\", \
         \"helpful\": [0, 0], \"reviewText\": \"t\", \"overall\": 5.0, \"summary\": \"s\", \
         \"unixReviewTime\": 1391644800, \"reviewTime\": \"02 6, 2014\"}\n",
        "Amazon reviews 2014",
        &[("A1MADEUP", "B00MADEUP1", 1_391_644_800)],
    ),
    (
        ".csv",
        "A39HTATAQ9V7YF,0205616461,5.0,1369699200\nA3JM6GV9MNOF9X,0558925278,3.0,1355443200\n",
        "Amazon ratings 2014",
        &[
            ("A39HTATAQ9V7YF", "0205616461", 1_369_699_200),
            ("A3JM6GV9MNOF9X", "0558925278", 1_355_443_200),
        ],
    ),
    (
        ".json",
        "{\"overall\": 4.0, \"verified\": true, \"reviewTime\": \"06 3, 2016\", \"reviewerID\": \
         \"A2MADEUP\", \"asin\": \"B00MADEUP2\", \"style\": {\"Size:\": \" Large\"}, \
         \"unixReviewTime\": 1464912000}\n",
        "Amazon reviews 2018",
        &[("A2MADEUP", "B00MADEUP2", 1_464_912_000)],
    ),
    (
        ".csv",
        "0143026860,A1V6B6TNIC10QE,1.0,1424304000\nB00MADEUP2,A2F5GHSXFQ0W6J,4.0,1418860800\n",
        "Amazon ratings 2018",
        &[
            ("A1V6B6TNIC10QE", "0143026860", 1_424_304_000),
            ("A2F5GHSXFQ0W6J", "B00MADEUP2", 1_418_860_800),
        ],
    ),
    (
        ".jsonl",
        "{\"rating\": 5.0, \"title\": \"t\", \"text\": \"x\", \"images\": [], \"asin\": \
         \"B00MADEUP3\", \"parent_asin\": \"B00MADEUP4\", \"user_id\": \"AEMADEUP\", \
         \"timestamp\": 1588687728923, \"helpful_vote\": 0, \"verified_purchase\": true}\n",
        "Amazon reviews 2023",
        &[("AEMADEUP", "B00MADEUP4", 1_588_687_728_923)],
    ),
    (
        ".csv",
        "user_id,parent_asin,rating,timestamp,history\nAEMADEUP,B00MADEUP4,5.0,1588687728923,\n",
        "Amazon reviews 2023",
        &[("AEMADEUP", "B00MADEUP4", 1_588_687_728_923)],
    ),
    (
        ".csv",
        "index,user_id,sequence_item_ids,sequence_ratings,sequence_timestamps\n\
         0,9,\"4,3\",\"5,4\",\"978300760,978302109\"\n",
        "HSTU",
        &[("9", "4", 978_300_760), ("9", "3", 978_302_109)],
    ),
    (
        ".csv",
        "timestamp,visitorid,event,itemid,transactionid\n1433221332117,7,view,3,\n",
        "RetailRocket",
        &[("7", "3", 1_433_221_332_117)],
    ),
    (
        ".dat",
        "1,2014-04-07T10:51:09.277Z,214536502,0\n1,2014-04-07T10:54:09.868Z,214536500,S\n",
        "Yoochoose clicks",
        &[
            ("1", "214536502", 1_396_867_869_277_000_000),
            ("1", "214536500", 1_396_868_049_868_000_000),
        ],
    ),
    (
        ".dat",
        "420374,2014-04-06T18:44:58.000Z,214537888,12462,1\n",
        "Yoochoose buys",
        &[("420374", "214537888", 1_396_809_898)],
    ),
    (
        ".tsv",
        "user_000001\t2009-05-04T23:08:57Z\tf1b1cf71-bd35-4e99-8624-24a6e15f133a\tA \"B\"\t\tC, D\n\
         user_000001\t2009-05-04T13:54:10Z\t\tE\t\tF\n",
        "LastFM-1K",
        &[("user_000001", "A \"B\"", 1_241_478_537), ("user_000001", "E", 1_241_445_250)],
    ),
    (
        ".json",
        "{u'username': u'a', u'hours': u'33.0', u'products': 10, u'product_id': u'70', \
         u'page_order': 0, u'date': u'2017-12-17', u'text': u'x', u'early_access': False, \
         u'page': 1}\n",
        "Steam reviews",
        &[("a", "70", 1_513_468_800)],
    ),
    (
        ".json",
        "{\"review_id\":\"r\",\"user_id\":\"7\",\"business_id\":\"3\",\"stars\":4.0,\
         \"date\":\"2018-07-07 22:09:11\"}\n",
        "Yelp reviews",
        &[("7", "3", 1_531_001_351)],
    ),
    (
        ".csv",
        "t_dat,customer_id,article_id,price,sales_channel_id\n2018-09-20,7,0663713001,0.05,2\n",
        "H&M transactions",
        &[("7", "0663713001", 1_537_401_600)],
    ),
    (
        ".tsv",
        "1\tU13740\t11/11/2019 9:05:58 AM\tN55189 N42782\tN55689-1 N35729-0\n\
         2\tU91836\t11/12/2019 6:11:30 PM\t\tN20678-0 N39317-1\n\
         3\tU13740\t11/11/2019 8:05:58 AM\tN55189 N42782\tN7-1\n",
        "MIND",
        &[
            ("U13740", "N55189", 1_573_459_557),
            ("U13740", "N42782", 1_573_459_557),
            ("U13740", "N55689", 1_573_463_158),
            ("U91836", "N39317", 1_573_582_290),
            ("U13740", "N7", 1_573_459_558),
        ],
    ),
    (
        ".csv",
        "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n\
         0,3649,13838,10867,2020-07-05 00:08:23.438,20200705,1593878903.438,1.273\n\
         0,9598,13665,10984,2020-07-05 00:13:41.297,20200705,1593879221.297,1.244\n",
        "KuaiRec",
        &[("0", "3649", 1_593_878_903_438_000_000), ("0", "9598", 1_593_879_221_297_000_000)],
    ),
    (
        ".csv",
        "user_id,video_id,date,hourmin,time_ms,is_click,is_like,long_view,play_time_ms,tab\n\
         0,180,20220421,700,1650495706789,1,0,0,9112,1\n",
        "KuaiRand",
        &[("0", "180", 1_650_495_706_789)],
    ),
    (
        ".csv",
        "user_id,item_id,click,follow,like,share,video_category,watching_times,gender,age\n\
         9,4,1,0,0,0,1,1,0,0\n9,3,0,0,0,0,1,1,0,0\n",
        "Tenrec",
        &[("9", "4", 0), ("9", "3", 1)],
    ),
    (
        ".csv",
        "user_id,item_id,click,like,share,follow,read,category_first\n9,4,1,0,0,0,1,7\n",
        "Tenrec",
        &[("9", "4", 0)],
    ),
    (
        ".tsv",
        "userId\tmovieId\trating\ttimestamp\n1\t2\t3.5\t1112486027\n",
        "MovieLens 20M to 32M",
        &[("1", "2", 1_112_486_027)],
    ),
];

#[test]
fn a_public_data_set_is_read_without_a_setting() {
    for (suffix, log, name, rows) in SAMPLES {
        let read = read_text(suffix, log.as_bytes(), None).unwrap_or_else(|fault| {
            panic!("{name}: {fault}");
        });
        assert_eq!(named(&read), rows, "{name}");
        let read_as = read.read_as.unwrap_or_default();
        assert!(read_as.contains(name), "{name}: {read_as}");
    }
}

#[test]
fn a_packed_data_set_is_read_alike() {
    for (suffix, log, name, rows) in SAMPLES {
        let packed = zstd::encode_all(log.as_bytes(), 1).unwrap();
        let read = read_text(&format!("{suffix}.zst"), &packed, None).unwrap();
        assert_eq!(named(&read), rows, "{name}");
    }
}

#[test]
fn names_that_are_set_win() {
    for (suffix, log, set, rows) in [
        (
            ".csv",
            "timestamp,visitorid,event,itemid,transactionid\n1,7,view,3,\n",
            [("item", "event")],
            [("7", "view", 1)],
        ),
        (
            ".tsv",
            "user_000001\t2009-05-04T23:08:57Z\t\tE\t\tF\n",
            [("item", "track_name")],
            [("user_000001", "F", 1_241_478_537)],
        ),
        (
            ".csv",
            "user_id,item_id,click,like,share\n9,4,1,0,0\n",
            [("user", "item_id")],
            [("4", "4", 0)],
        ),
    ] {
        let mut options = LogOptions::default();
        for (column, name) in set {
            let columns = &mut options.columns;
            let to = if column == "user" { &mut columns.user } else { &mut columns.item };
            *to = name.to_owned();
        }
        let read = read_with(suffix, log.as_bytes(), &options).unwrap();
        assert_eq!(named(&read), rows, "{log}");
    }
}

#[test]
fn a_neighbour_of_a_data_set_is_not_taken_for_it() {
    for (suffix, log, taken) in [
        // columns of another name, or one too few
        (".csv", "userId,movieId,tag,timestamp\n1,2,funny,1139045764\n", "MovieLens"),
        (".csv", "user,item,rating,timestamp,visitorid,event\nu,i,1,1,7,view\n", "RetailRocket"),
        // lists that only Parquet holds
        (".csv", "uid,split,hist_video_pid,target_video_pid\n9,0,\"[4, 3]\",\"[2]\"\n", "RecIF"),
        // items of ten characters as users too
        (".csv", "B00MADEUP1,0205616461,5.0,1369699200\n", "Amazon"),
        (".csv", "A39HTATAQ9V7YF,0205616461,50,1369699200\n", "Amazon"),
        // a rating that no movie has
        (".data", "1\t2\t4.7\t881250949\n", "MovieLens"),
        (".dat", "1::2::7::978300760\n", "MovieLens"),
        // a date without a zone, a time that is none
        (".dat", "1,2014-04-07 10:51:09,214536502,0\n", "Yoochoose"),
        (".tsv", "user_x\t2009-05-04T23:08:57Z\t\tA\t\tB\n", "LastFM"),
        (".tsv", "1\tU1\t11/11/2019 9:05:58 AM\tN5 X4\tN5-1\n", "MIND"),
        (".tsv", "1\tU1\tyesterday\tN5\tN5-1\n", "MIND"),
    ] {
        let read_as = match read_text(suffix, log.as_bytes(), None) {
            Ok(read) => read.read_as.unwrap_or_default(),
            Err(message) => {
                assert!(message.starts_with("FILE"), "{message}");
                continue;
            }
        };
        assert!(!read_as.contains(taken), "{log}: {read_as}");
    }
}

#[test]
fn times_beside_the_columns_of_tenrec_are_read() {
    let log = b"user_id,item_id,click,like,share,timestamp\n9,4,1,0,0,20\n9,3,1,0,0,10\n";
    let mut options = LogOptions::default();
    (options.columns.user, options.columns.item) = ("user_id".into(), "item_id".into());
    let read = read_with(".csv", log, &options).unwrap();
    assert_eq!(named(&read), [("9", "4", 20), ("9", "3", 10)]);
    assert_eq!(read.read_as, None);
    options.order = Some(LogOrder::Rows);
    assert_eq!(named(&read_with(".csv", log, &options).unwrap())[1], ("9", "3", 1));
}

#[test]
fn impressions_without_clicks_or_with_other_histories_are_told() {
    let row = "1\tU1\t11/11/2019 9:05:58 AM\tN5\tN6-1\n";
    for (second, expected) in [
        (
            "2\tU1\t11/11/2019 9:05:59 AM\tN5\tN6 N7\n",
            "FILE:2: column 'impressions': does not say whether the item was clicked: 'N6'; give \
             MIND's train or dev file",
        ),
        (
            "2\tU1\t11/11/2019 9:05:59 AM\tN5\n",
            "FILE:2: has 4 fields where the lines before have 5; part the fields by tabs",
        ),
    ] {
        // the first hundred rows tell the layout
        let log = format!("{}{second}", row.repeat(100));
        let message = read_text(".tsv", log.as_bytes(), None).unwrap_err();
        assert_eq!(message.replace("FILE:101", "FILE:2"), expected);
    }
    let log = format!("{row}2\tU1\t11/11/2019 9:05:59 AM\tN5 N6\tN7-1\n");
    let read = read_text(".tsv", log.as_bytes(), None).unwrap();
    assert!(read.warnings.iter().any(|it| it.starts_with("1 lines have another history")));
    assert_eq!(named(&read).len(), 3);
    let options = LogOptions { min_rating: Some(1.0), ..LogOptions::default() };
    let message = read_with(".tsv", row.as_bytes(), &options).unwrap_err();
    assert!(message.contains("MIND has no ratings"), "{message}");
}

#[test]
fn columns_of_a_data_set_may_be_named_where_the_file_has_no_header_line() {
    let names = ["user_id", "item_id", "click", "like", "share"].map(str::to_owned).to_vec();
    let options = LogOptions { header: Some(names), ..LogOptions::default() };
    let read = read_with(".csv", b"9,4,1,0,0\n9,3,0,0,0\n", &options).unwrap();
    assert_eq!(named(&read), [("9", "4", 0), ("9", "3", 1)]);
    assert!(read.read_as.unwrap().contains("Tenrec"));
}
