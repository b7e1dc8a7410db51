//! The built portcullis as a command, and what its verbs make.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::Outcome;

/// The built binary with this configuration.
pub(super) fn portcullis(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.env_clear().arg("-c").arg(config);
    command
}

/// Runs a verb, and gives back these fields of what it made.
pub(super) fn made<const N: usize>(config: &Path, verb: &[&str], fields: [&str; N]) -> Outcome<[String; N]> {
    let output = portcullis(config).args(verb).args(["--format", "json"]).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("portcullis {verb:?}: {}", output.status).into());
    }
    let made: Value = serde_json::from_slice(&output.stdout)?;
    let texts = fields.map(|field| made.get(field).and_then(Value::as_str));
    if texts.contains(&None) {
        return Err(format!("portcullis {verb:?} gave not all of {fields:?}").into());
    }
    Ok(texts.map(|text| text.unwrap_or_default().to_owned()))
}
