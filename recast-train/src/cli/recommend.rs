//! `recast recommend`

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::FolderArgs;
use crate::error::Error;
use crate::run::Run;

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("whom").required(true).args(["user", "history"])))]
pub(super) struct RecommendArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// A user of the log; all of the user's items are the history.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Item ids in time order, the latest last. The flag may be repeated; an id with a comma is a
    /// flag of its own, or stands in double quotes.
    #[arg(long, value_name = "ID,ID,..")]
    history: Vec<String>,
    /// Items to print.
    #[arg(long, short = 'k', default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    top_k: u16,
    /// The decoder: sft or a trained signal [default: recast if trained, else sft].
    #[arg(long)]
    system: Option<String>,
    /// Print JSON on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Recommendation<'a> {
    rank: usize,
    item: &'a str,
    title: &'a str,
    log_prob: f32,
}

pub(super) fn recommend(args: &RecommendArgs) -> Result<()> {
    let run = args.folder.open_shared()?;
    let (sequences, items) = (&run.prepared().sequences, &run.prepared().items);
    let typed;
    let history = match &args.user {
        Some(user) => run.history_of(user)?,
        None => {
            typed = typed_history(&run, &args.history)?;
            &typed
        }
    };
    let tokenized = run.tokenized()?;
    let decoder = run.decoder(&tokenized, args.system.as_deref())?;
    let ranked = run.recommend(&tokenized, &decoder, history, args.top_k.into())?;
    let recommendations: Vec<Recommendation<'_>> = (1..)
        .zip(ranked)
        .map(|(rank, (item, log_prob))| Recommendation {
            rank,
            item: sequences.items.get(item).unwrap_or_default(),
            title: items.title(item),
            log_prob,
        })
        .collect();
    if recommendations.len() < usize::from(args.top_k) {
        super::say(format_args!(
            "{} of {} items asked for: the catalogue has no other",
            recommendations.len(),
            args.top_k
        ));
    }
    if args.json {
        super::print(serde_json::to_string_pretty(&recommendations)?)?;
        return Ok(());
    }
    super::say("history, the latest last:");
    for &item in &history[history.len().saturating_sub(run.config().data.max_history)..] {
        super::say(format_args!("      {}", items.title(item)));
    }
    for Recommendation { rank, title, log_prob, item } in recommendations {
        super::print(format_args!("{rank:>4}  {title}  [{item}]  {:.2}%", 100.0 * log_prob.exp()))?;
    }
    Ok(())
}

/// The items of all `--history` flags, in order.
fn typed_history(run: &Run, flags: &[String]) -> Result<Vec<u32>> {
    let mut history = Vec::new();
    for flag in flags {
        for id in ids(flag, |id| run.prepared().sequences.items.contains(id))? {
            history.push(run.item(&id)?);
        }
    }
    Ok(history)
}

/// The ids of a `--history` flag: one id of the catalogue as such, or ids parted by commas, of
/// which those that hold a comma stand in double quotes.
fn ids(flag: &str, is_item: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    if is_item(flag) {
        return Ok(vec![flag.to_owned()]);
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(flag.as_bytes());
    let mut ids = Vec::new();
    for record in reader.records() {
        ids.extend(record?.iter().map(str::to_owned));
    }
    if ids.is_empty() || ids.iter().any(String::is_empty) {
        let problem = format!("--history '{flag}' holds an empty id");
        return Err(Error::data(problem, "give item ids, parted by commas").into());
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_may_hold_commas_as_a_whole_flag_or_in_quotes() {
        let known = |id: &str| id == "i01, deluxe";
        for (flag, expected) in [
            ("i01, deluxe", &["i01, deluxe"][..]),
            ("\"i01, deluxe\"", &["i01, deluxe"]),
            ("i02,\"i01, deluxe\",i03", &["i02", "i01, deluxe", "i03"]),
            ("i02, i03", &["i02", "i03"]),
            ("\"say \"\"hi\"\"\",7", &["say \"hi\"", "7"]),
            ("07", &["07"]),
        ] {
            assert_eq!(ids(flag, known).unwrap(), expected, "{flag}");
        }
    }

    #[test]
    fn an_empty_id_is_named() {
        for flag in ["", ",", "i01,", ",i01", "i01,,i02", " "] {
            let message = ids(flag, |_| false).unwrap_err().to_string();
            assert!(
                message.contains(&format!("--history '{flag}' holds an empty id")),
                "{message}"
            );
        }
    }
}
