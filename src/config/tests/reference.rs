//! The two configurations that come with Portcullis are right, and the reference is whole.

use super::*;

const REFERENCE: &str = include_str!("../../../config/portcullis.toml");
const MINIMAL: &str = include_str!("../../../config/minimal.toml");

/// No key has this name or one like it, so the help lists all that are known.
const UNKNOWN: &str = "zzzzzzzz = 1";

/// The headers of the reference, with an empty one for what stands before the first, and the lines below each.
fn sections() -> Vec<(String, Vec<&'static str>)> {
    let mut sections = vec![(String::new(), Vec::new())];
    for line in REFERENCE.lines() {
        let code = line.strip_prefix("# ").unwrap_or(line);
        match code.split(']').next().and_then(|header| header.strip_prefix('[')) {
            Some(header) => sections.push((header.trim_start_matches('[').to_owned(), Vec::new())),
            None => sections.last_mut().unwrap().1.push(line),
        }
    }
    sections
}

/// Every key that the reader knows, by the sections of the reference: what it says of an unknown key in each.
pub(super) fn known_keys() -> Vec<(String, String)> {
    let mut keys = Vec::new();
    let places = ["", "[server]", "[admin]", "[store]", "[tokens]", "[identity]", "[limits]", "[log]"];
    for header in places.into_iter().chain(["[upstreams.orders]", "[[upstreams.orders.rules]]"]) {
        let section = format!("\n{header}\n{UNKNOWN}\n");
        let header_line = format!("\n{header}\n");
        let text = if REFERENCE.contains(&header_line) {
            REFERENCE.replacen(&header_line, &section, 1)
        } else {
            // One that is off unless it is set stands commented out as a whole.
            REFERENCE.replacen(&format!("\n# {header}  "), &format!("{section}#"), 1)
        };
        let help = mistake(&text, &[]).help;
        let (_, known) = help.split_once("known here: ").unwrap_or_else(|| panic!("{header}: {help}"));
        let header = header.trim_matches(['[', ']']);
        keys.extend(known.split(", ").map(|key| (header.to_owned(), key.to_owned())));
    }
    keys
}

#[test]
fn both_pass_without_a_word() {
    for (name, text) in [("portcullis.toml", REFERENCE), ("minimal.toml", MINIMAL)] {
        let loaded = read(text);
        assert_eq!(loaded.warnings, Report::default(), "{name}");
        assert_eq!(loaded.settings.live.upstreams.len(), 1, "{name}");
    }
}

#[test]
fn the_reference_names_every_key() {
    let keys = known_keys();
    assert!(keys.len() > 70, "{keys:?}");
    let sections = sections();
    for (section, key) in keys {
        let child = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
        let has_section =
            sections.iter().any(|(header, _)| *header == child || header.starts_with(&format!("{child}.")));
        let names = |line: &&str| line.trim_start_matches("# ").starts_with(&format!("{key} = "));
        let has_line = sections.iter().any(|(header, lines)| *header == section && lines.iter().any(names));
        assert!(has_section || has_line, "`{key}` of [{section}] is missing");
    }
    assert!(REFERENCE.contains("{ env = ") && REFERENCE.contains("{ file = "));
}

#[test]
fn the_defaults_of_the_reference_are_the_real_ones() {
    let mut bare: toml::Table = toml::from_str(REFERENCE).unwrap();
    bare.retain(|section, _| section == "upstreams");
    let upstream = bare["upstreams"]["orders"].as_table_mut().unwrap();
    upstream.retain(|key, _| key == "servers" || key == "rules");
    let bare = read(&toml::to_string(&bare).unwrap());
    assert_eq!(format!("{:#?}", bare.settings), format!("{:#?}", read(REFERENCE).settings));
}

#[test]
fn what_stands_commented_out_is_right_or_not_supported_yet() {
    let lines: Vec<&str> = REFERENCE.lines().collect();
    let is_setting = |line: &str| {
        let name = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        line.strip_prefix("# ")
            .is_some_and(|code| code.starts_with('[') || code.split_once(" = ").is_some_and(|(key, _)| name(key)))
    };
    let folder = tls::folder();
    let mut seen = 0;
    for start in (0..lines.len()).filter(|index| is_setting(lines[*index])) {
        // A section comes with its keys, which alone would stand in another one.
        let section = lines[..=start].iter().rposition(|line| line.starts_with("# [") || line.is_empty()).unwrap_or(0);
        let length = match (lines[start].starts_with("# ["), lines[section].starts_with("# [")) {
            (true, _) => lines[start..].iter().take_while(|line| line.starts_with("# ")).count(),
            (false, true) => continue,
            (false, false) => 1,
        };
        let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        for line in &mut changed[start..start + length] {
            *line = line.trim_start_matches("# ").to_owned();
        }
        let changed = changed.join("\n");
        if lines[start].contains("not supported yet") {
            let found = mistake(&changed, &[]);
            assert!(found.message.contains("not supported yet"), "{found}");
            assert_eq!(found.line, Some(start + 1), "{found}");
        } else {
            tls::read_in(&folder, &changed);
        }
        seen += 1;
    }
    assert!(seen > 5, "{seen}");
}
