//! On what it was measured, and with which versions.

use std::{fs, path::Path, process::Command, thread};

use super::Outcome;

/// The versions that the build is held to.
const LOCK: &str = include_str!("../../Cargo.lock");

/// The machine in a few words.
pub(super) fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown CPU", |(_, model)| model.trim());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: Vec<&str> = kernel.trim().split('.').take(2).collect();
    format!("{cores} cores of {model}, Linux {}", kernel.join("."))
}

/// The versions in a few words.
pub(super) fn versions(program: &Path) -> Outcome<String> {
    let told = Command::new(program).arg("--version").output()?;
    Ok(format!("{}, pingora {}", String::from_utf8_lossy(&told.stdout).trim(), pingora().unwrap_or("?")))
}

fn pingora() -> Option<&'static str> {
    let (_, rest) = LOCK.split_once("name = \"pingora\"\nversion = \"")?;
    rest.split('"').next()
}
