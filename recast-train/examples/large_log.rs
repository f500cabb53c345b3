//! Writes a log of any size as CSV, to measure how large a log `recast prepare` can read:
//!
//! ```sh
//! cargo run --release -p recast-train --example large_log -- 20000000 1000000 100000 large.csv
//! cargo run --release -- prepare --interactions large.csv --json
//! ```
//!
//! The arguments are rows, users, items and the file. Rows stand in the order of time, and users
//! come up evenly. Items come up by their rank: the chance of rank r falls as 1/r.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};

use rand::RngExt;
use recast_train::random::{Purpose, stream};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rows, users, items, path] = &arguments[..] else {
        return Err("usage: large_log ROWS USERS ITEMS FILE".into());
    };
    let (rows, users, items): (u64, u64, u64) = (rows.parse()?, users.parse()?, items.parse()?);
    if users == 0 || items == 0 {
        return Err("give at least one user and one item".into());
    }
    let mut rng = stream(1, Purpose::Catalogue, 0);
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "user,item,timestamp")?;
    for row in 0..rows {
        let user = rng.random_range(0..users);
        let rank = (items as f64).powf(rng.random::<f64>()) as u64;
        writeln!(file, "user-{user},item-{rank},{}", 1_704_067_200 + row / 10)?;
    }
    file.flush()?;
    Ok(())
}
