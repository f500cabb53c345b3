//! Public data sets, known by the columns of their logs.

use super::Columns;

/// The log of a public data set.
#[derive(Debug)]
pub(super) struct Known {
    /// The name of the data set.
    pub(super) name: &'static str,
    /// The columns or keys that tell the log from any other.
    marks: &'static [&'static str],
    user: &'static str,
    item: &'static str,
    timestamp: &'static str,
    rating: &'static str,
}

const KNOWN: [Known; 3] = [
    Known {
        name: "RetailRocket",
        marks: &["timestamp", "visitorid", "event", "itemid", "transactionid"],
        user: "visitorid",
        item: "itemid",
        timestamp: "timestamp",
        rating: "rating",
    },
    Known {
        name: "Yelp reviews",
        marks: &["review_id", "user_id", "business_id", "stars", "date"],
        user: "user_id",
        item: "business_id",
        timestamp: "date",
        rating: "stars",
    },
    Known {
        name: "H&M transactions",
        marks: &["t_dat", "customer_id", "article_id", "price", "sales_channel_id"],
        user: "customer_id",
        item: "article_id",
        timestamp: "t_dat",
        rating: "rating",
    },
];

impl Known {
    /// The data set whose log has columns or keys of these names.
    pub(super) fn by_names(names: &[&str]) -> Option<&'static Self> {
        KNOWN.iter().find(|known| known.marks.iter().all(|mark| names.contains(mark)))
    }

    /// The names of the columns that are read.
    pub(super) fn columns(&self) -> Columns {
        Columns {
            user: self.user.to_owned(),
            item: self.item.to_owned(),
            timestamp: self.timestamp.to_owned(),
            rating: self.rating.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::LogOptions;
    use super::super::testing::{named, read_text, read_with};

    #[test]
    fn a_public_data_set_needs_no_names_of_columns() {
        for (suffix, log, name) in [
            (
                ".csv",
                "timestamp,visitorid,event,itemid,transactionid\n1433221332117,7,view,3,\n",
                "RetailRocket",
            ),
            (
                ".csv",
                "t_dat,customer_id,article_id,price,sales_channel_id\n2018-09-20,7,3,0.05,2\n",
                "H&M transactions",
            ),
            (
                ".json",
                "{\"review_id\":\"r\",\"user_id\":\"7\",\"business_id\":\"3\",\"stars\":4.0,\
                 \"date\":\"2018-07-07 22:09:11\"}\n",
                "Yelp reviews",
            ),
        ] {
            let read = read_text(suffix, log.as_bytes(), None).unwrap();
            assert_eq!(named(&read)[0].0, "7", "{log}");
            assert_eq!(named(&read)[0].1, "3", "{log}");
            assert!(read.read_as.unwrap().contains(name), "{log}");
        }
    }

    #[test]
    fn names_that_are_set_win() {
        let mut options = LogOptions::default();
        options.columns.item = "event".to_owned();
        let log = b"timestamp,visitorid,event,itemid,transactionid\n1,7,view,3,\n";
        let read = read_with(".csv", log, &options).unwrap();
        assert_eq!(named(&read), [("7", "view", 1)]);
    }
}
