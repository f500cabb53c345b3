//! The largest values of settings.

use super::{Error, Result};

/// Checks that counts are not above their largest values, so that no product of theirs exceeds what
/// a number holds, and no typing error asks for all memory.
///
/// # Errors
///
/// [`Error::Setting`] for the first count above its largest value.
pub(crate) fn check_most(section: &str, counts: &[(&str, usize, usize)]) -> Result<()> {
    match counts.iter().find(|(_, count, most)| count > most) {
        None => Ok(()),
        Some((name, count, most)) => {
            let key =
                if section.is_empty() { (*name).to_owned() } else { format!("{section}.{name}") };
            Err(Error::setting(key, format!("{count} is above {most}"), "give a smaller number"))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    /// Sets a count.
    type Set = fn(&mut Config, usize);

    #[test]
    fn a_count_that_no_machine_holds_is_refused_with_its_key_and_its_range() {
        let huge = usize::MAX / 2;
        let cases: [(&str, Set); 14] = [
            ("threads", |config, huge| config.threads = huge),
            ("data.max_history", |config, huge| config.data.max_history = huge),
            ("data.embedding_dim", |config, huge| config.data.embedding_dim = huge),
            ("model.hidden_size", |config, huge| config.model.hidden_size = huge),
            ("model.num_hidden_layers", |config, huge| config.model.num_hidden_layers = huge),
            ("sft.batch_tokens", |config, huge| config.sft.batch_tokens = huge),
            ("sft.epochs", |config, huge| config.sft.epochs = huge),
            ("sasrec.sft.batch_tokens", |config, huge| config.sasrec.sft.batch_tokens = huge),
            ("sasrec.model.hidden_size", |config, huge| config.sasrec.model.hidden_size = huge),
            ("rl.group_size", |config, huge| config.rl.group_size = huge),
            ("rl.prompts_per_step", |config, huge| config.rl.prompts_per_step = huge),
            ("evaluate.beam_width", |config, huge| config.evaluate.beam_width = huge),
            ("evaluate.batch_prompts", |config, huge| config.evaluate.batch_prompts = huge),
            ("tokenizer.rq_vae.latent_dim", |config, huge| {
                config.tokenizer.rq_vae.latent_dim = huge;
            }),
        ];
        Config::default().check().unwrap();
        for (key, set) in cases {
            let mut config = Config::default();
            set(&mut config, huge);
            let message = config.check().unwrap_err().to_string();
            let start = format!("config key '{key}': {huge} is above ");
            assert!(message.starts_with(&start), "{message}");
        }
    }
}
