//! Public data sets, known by the columns of their logs.

use super::{Columns, LogOrder};

/// The log of a public data set.
#[derive(Debug)]
pub(super) struct Known {
    /// The name of the data set, and what a row of it is where rows are of several kinds.
    pub(super) name: &'static str,
    /// The columns or keys that tell the log from any other.
    marks: &'static [&'static str],
    user: &'static str,
    item: &'static str,
    /// The column of times; `None` if the rows stand in the order of time.
    timestamp: Option<&'static str>,
    rating: Option<&'static str>,
}

/// Columns that a log in the order of its rows does not have.
const TIMES: [&str; 5] = ["timestamp", "time", "time_ms", "date", "datetime"];

/// The data sets; one with more marks stands before one with some of them.
const KNOWN: [Known; 12] = [
    Known {
        name: "MovieLens 20M to 32M",
        marks: &["userId", "movieId", "rating", "timestamp"],
        user: "userId",
        item: "movieId",
        timestamp: Some("timestamp"),
        rating: Some("rating"),
    },
    Known {
        name: "Amazon reviews 2023",
        marks: &["user_id", "parent_asin", "rating", "timestamp"],
        user: "user_id",
        item: "parent_asin",
        timestamp: Some("timestamp"),
        rating: Some("rating"),
    },
    Known {
        name: "Amazon reviews 2018",
        marks: &["reviewerID", "asin", "overall", "unixReviewTime", "verified"],
        user: "reviewerID",
        item: "asin",
        timestamp: Some("unixReviewTime"),
        rating: Some("overall"),
    },
    Known {
        name: "Amazon reviews 2014",
        marks: &["reviewerID", "asin", "overall", "unixReviewTime"],
        user: "reviewerID",
        item: "asin",
        timestamp: Some("unixReviewTime"),
        rating: Some("overall"),
    },
    Known {
        name: "HSTU",
        marks: &["user_id", "sequence_item_ids", "sequence_ratings", "sequence_timestamps"],
        user: "user_id",
        item: "sequence_item_ids",
        timestamp: Some("sequence_timestamps"),
        rating: None,
    },
    Known {
        name: "RetailRocket, events of all kinds",
        marks: &["timestamp", "visitorid", "event", "itemid", "transactionid"],
        user: "visitorid",
        item: "itemid",
        timestamp: Some("timestamp"),
        rating: None,
    },
    Known {
        name: "Steam reviews",
        marks: &["username", "product_id", "date", "page_order"],
        user: "username",
        item: "product_id",
        timestamp: Some("date"),
        rating: None,
    },
    Known {
        name: "Yelp reviews",
        marks: &["review_id", "user_id", "business_id", "stars", "date"],
        user: "user_id",
        item: "business_id",
        timestamp: Some("date"),
        rating: Some("stars"),
    },
    Known {
        name: "H&M transactions",
        marks: &["t_dat", "customer_id", "article_id", "price", "sales_channel_id"],
        user: "customer_id",
        item: "article_id",
        timestamp: Some("t_dat"),
        rating: None,
    },
    Known {
        name: "KuaiRec, views of any length",
        marks: &["user_id", "video_id", "play_duration", "timestamp", "watch_ratio"],
        user: "user_id",
        item: "video_id",
        timestamp: Some("timestamp"),
        rating: Some("watch_ratio"),
    },
    Known {
        name: "KuaiRand, clicked and other impressions",
        marks: &["user_id", "video_id", "time_ms", "is_click", "long_view"],
        user: "user_id",
        item: "video_id",
        timestamp: Some("time_ms"),
        rating: None,
    },
    Known {
        name: "Tenrec, clicked and other impressions in row order",
        marks: &["user_id", "item_id", "click", "like", "share"],
        user: "user_id",
        item: "item_id",
        timestamp: None,
        rating: None,
    },
];

/// The log of RecIF: a table in Parquet with one row a user.
#[cfg(feature = "parquet")]
const RECIF: Known = Known {
    name: "RecIF",
    marks: &["uid", "hist_video_pid", "target_video_pid"],
    user: "uid",
    item: "hist_video_pid",
    timestamp: None,
    rating: None,
};

impl Known {
    /// The data set whose log has columns or keys of these names.
    pub(super) fn by_names(names: &[&str]) -> Option<&'static Self> {
        KNOWN.iter().find(|known| known.has(names))
    }

    /// Does the work of [`Known::by_names`] for a table in Parquet.
    #[cfg(feature = "parquet")]
    pub(super) fn in_parquet(names: &[&str]) -> Option<&'static Self> {
        Some(&RECIF).filter(|known| known.has(names)).or_else(|| Self::by_names(names))
    }

    fn has(&self, names: &[&str]) -> bool {
        let is_there = |name: &&str| names.contains(name);
        let in_row_order = self.timestamp.is_none() && TIMES.iter().any(is_there);
        !in_row_order && self.marks.iter().all(is_there)
    }

    /// The names of the columns that are read.
    pub(super) fn columns(&self) -> Columns {
        let or = |name: Option<&str>, default: String| name.map_or(default, str::to_owned);
        let default = Columns::default();
        Columns {
            user: self.user.to_owned(),
            item: self.item.to_owned(),
            timestamp: or(self.timestamp, default.timestamp),
            rating: or(self.rating, default.rating),
        }
    }

    /// The order of a user's interactions.
    pub(super) fn order(&self) -> LogOrder {
        self.timestamp.map_or(LogOrder::Rows, |_| LogOrder::Time)
    }
}

/// RecIF's column of items that follow those of `item` in time: the targets of a history.
#[cfg(feature = "parquet")]
pub(super) fn targets_after(item: &str) -> Option<String> {
    item.strip_prefix("hist_").map(|rest| format!("target_{rest}"))
}

#[cfg(test)]
mod tests;
