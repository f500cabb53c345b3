use super::*;

fn keys(table: &Table, prefix: &str, into: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            Value::Table(inner) => keys(inner, &format!("{prefix}{key}."), into),
            _ => into.push(format!("{prefix}{key}")),
        }
    }
}

#[test]
fn the_template_is_the_standard_preset_and_names_every_key() {
    let written: Config = toml::from_str(TEMPLATE).unwrap();
    assert_eq!(written, Preset::Standard.config());
    let (mut all, mut named) = (Vec::new(), Vec::new());
    keys(&Config::default().to_table().unwrap(), "", &mut all);
    keys(&toml::from_str(TEMPLATE).unwrap(), "", &mut named);
    assert_eq!(all, named);
    for optional in ["interactions", "items", "embeddings", "format", "min_rating", "table"] {
        assert!(TEMPLATE.contains(&format!("# {optional} = ")), "{optional}");
    }
}

#[test]
fn every_preset_passes_its_own_check() {
    for preset in Preset::ALL {
        preset.config().check().unwrap();
    }
}

#[test]
fn overrides_come_last_and_keep_their_neighbours() {
    let set = [("rl.steps".to_owned(), "7".to_owned())];
    let config = Config::resolve(Some(Preset::Demo), None, &set).unwrap();
    assert_eq!(config.rl.steps, 7);
    assert_eq!(config.rl.group_size, Preset::Demo.config().rl.group_size);
}

#[test]
fn an_unknown_key_is_named_with_those_that_exist() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.toml");
    std::fs::write(&path, "[rl]\nstepz = 3\n").unwrap();
    let error = Config::resolve(Some(Preset::Demo), Some(&path), &[]).unwrap_err().to_string();
    assert!(error.contains("run.toml") && error.contains("line 2"), "{error}");
    assert!(error.contains("stepz") && error.contains("`steps`"), "{error}");
}

#[test]
fn an_override_of_the_wrong_type_is_named() {
    let set = [("rl.steps".to_owned(), "many".to_owned())];
    let error = Config::resolve(Some(Preset::Demo), None, &set).unwrap_err().to_string();
    assert!(error.contains("rl.steps=many"), "{error}");
}

#[test]
fn settings_that_toml_cannot_hold_are_refused_instead_of_lost() {
    let config = Config { seed: u64::MAX, ..Preset::Smoke.config() };
    for refused in
        [config.to_toml().map(drop), Layers::read(None, &[]).unwrap().over(&config).map(drop)]
    {
        let message = refused.unwrap_err().to_string();
        assert!(message.starts_with("settings: cannot be written as TOML"), "{message}");
    }
}

#[test]
fn resolved_settings_read_back_as_themselves() {
    let config = Preset::Smoke.config();
    assert_eq!(toml::from_str::<Config>(&config.to_toml().unwrap()).unwrap(), config);
}
