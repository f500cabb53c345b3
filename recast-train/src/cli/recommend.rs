//! `recast recommend`

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::FolderArgs;
use crate::decode::Searcher;
use crate::error::Error;

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("whom").required(true).args(["user", "history"])))]
pub(super) struct RecommendArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// A user of the log; all of the user's items are the history.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Item ids in time order, the latest last.
    #[arg(long, value_name = "ID,ID,..", value_delimiter = ',')]
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
    let history: Vec<u32> = match &args.user {
        Some(user) => {
            let known = sequences.users.index_of(user).ok_or_else(|| {
                Error::data(
                    format!("no user '{user}' among {}", sequences.len()),
                    "give a user of the log, or a --history of item ids",
                )
            })?;
            sequences.sequence(known).to_vec()
        }
        None => args.history.iter().map(|id| item_index(sequences, id)).collect::<Result<_>>()?,
    };
    let tokenized = run.tokenized()?;
    let decoder = run.decoder(&tokenized, args.system.as_deref())?;
    let catalogue = run.catalogue(&tokenized);
    let prompt = catalogue.prompt(&decoder, &history);
    let hidden = if run.config().evaluate.mask_history { history.len() } else { 0 };
    let width = run.config().evaluate.beam_width.max(usize::from(args.top_k) + hidden);
    let found = Searcher::new(&decoder, &tokenized.trie).beams(&[&prompt], width).remove(0);
    let ranked = found
        .iter()
        .flat_map(|completion| {
            tokenized.trie.items(completion.leaf).iter().map(|&item| (item, completion.log_prob))
        })
        .filter(|(item, _)| hidden == 0 || !history.contains(item))
        .take(args.top_k.into());
    let recommendations: Vec<Recommendation<'_>> = ranked
        .enumerate()
        .map(|(i, (item, log_prob))| Recommendation {
            rank: i + 1,
            item: sequences.items.get(item).unwrap_or_default(),
            title: items.title(item),
            log_prob,
        })
        .collect();
    if args.json {
        super::print(serde_json::to_string_pretty(&recommendations)?)?;
        return Ok(());
    }
    eprintln!("history, the latest last:");
    for &item in &history[history.len().saturating_sub(run.config().data.max_history)..] {
        eprintln!("      {}", items.title(item));
    }
    for Recommendation { rank, title, log_prob, item } in recommendations {
        super::print(format_args!("{rank:>4}  {title}  [{item}]  {:.2}%", 100.0 * log_prob.exp()))?;
    }
    Ok(())
}

fn item_index(sequences: &crate::data::Sequences, id: &str) -> Result<u32> {
    let index = sequences.items.index_of(id).ok_or_else(|| {
        let problem = format!("no item '{id}' among {}", sequences.n_items());
        Error::data(problem, "give ids of the log, separated by commas")
    })?;
    Ok(index)
}
