//! The built portcullis as a command, and what its verbs make.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::Outcome;

/// The binary at this path, with this configuration.
pub(super) fn portcullis(program: &Path, config: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().arg("-c").arg(config);
    command
}

/// Runs a verb, and gives back these fields of what it made.
pub(super) fn made<const N: usize>(
    program: &Path,
    config: &Path,
    verb: &[&str],
    fields: [&str; N],
) -> Outcome<[String; N]> {
    let made = told(portcullis(program, config).args(verb))?;
    let texts = fields.map(|field| made.get(field).and_then(Value::as_str));
    if texts.contains(&None) {
        return Err(format!("portcullis {verb:?} gave not all of {fields:?}").into());
    }
    Ok(texts.map(|text| text.unwrap_or_default().to_owned()))
}

/// Runs a verb, and gives back what it says for programs.
pub(super) fn told(command: &mut Command) -> Outcome<Value> {
    let output = command.args(["--format", "json"]).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
