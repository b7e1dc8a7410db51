//! The floors of the house, as `src/lib.rs` describes them: a module imports only lower floors, never its own, and a
//! few crates are known in one place only.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Modules by floor, the lowest first.
const FLOORS: [&[&str]; 7] = [
    &["model"],
    &["policy", "store", "cache", "limits", "observe", "web"],
    &["registry"],
    &["tokens"],
    &["guard", "oauth", "manage", "ops"],
    &["edge"],
    &["main", "cli", "config", "app", "reload", "api_doc", "lib"],
];

/// Crates that are named in these places only.
const AT_HOME: [(&str, &[&str]); 9] = [
    ("pingora", &["edge", "app"]),
    ("rustls", &["edge"]),
    ("rusqlite", &["store/sqlite"]),
    ("clap", &["cli", "main"]),
    ("toml", &["config"]),
    ("argon2", &["registry"]),
    ("governor", &["limits"]),
    ("axum", &["web", "oauth", "manage", "ops", "edge", "app", "api_doc", "cli"]),
    ("prometheus", &["observe"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file as its path below `src` without the extension, and its text without comments and tests.
fn modules() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&src, &mut found);
    assert!(found.len() > 20, "{found:?}");
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(&src).unwrap().with_extension("").to_str().unwrap().replace('\\', "/");
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        (name, code.join("\n"))
    };
    found.iter().map(read).collect()
}

fn floor(module: &str) -> usize {
    let top = module.split('/').next().unwrap();
    FLOORS
        .iter()
        .position(|floor| floor.contains(&top))
        .unwrap_or_else(|| panic!("`{top}` stands on no floor: give it one in tests/architecture.rs and src/lib.rs"))
}

/// The modules named after `crate::`, in plain paths and in groups.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut word) = (1, String::new());
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 1 && (character.is_alphanumeric() || character == '_') {
                    word.push(character);
                } else if depth == 1 && character == ':' {
                    if !word.is_empty() {
                        found.push(std::mem::take(&mut word));
                    }
                } else {
                    word.clear();
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            found.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

/// Whether code says `krate::` as the beginning of a path.
fn names(code: &str, krate: &str) -> bool {
    let inside = |before: char| before.is_alphanumeric() || matches!(before, '_' | ':');
    code.match_indices(&format!("{krate}::")).any(|(at, _)| !code[..at].ends_with(inside))
}

#[test]
fn a_module_imports_only_lower_floors() {
    let known: Vec<&str> = FLOORS.iter().flat_map(|floor| floor.iter().copied()).collect();
    let mut wrong = Vec::new();
    for (module, code) in modules() {
        let own = module.split('/').next().unwrap().to_owned();
        for import in imports(&code).into_iter().filter(|import| known.contains(&import.as_str())) {
            let top = FLOORS.len() - 1;
            let allowed = import == own || floor(&import) < floor(&module) || floor(&module) == top;
            if !allowed {
                wrong.push(format!("{module} imports {import}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A route without a description would be missing in the API's document.
#[test]
fn the_faces_register_routes_with_their_descriptions_only() {
    let faces = ["oauth", "manage", "ops", "api_doc"];
    let of_a_face = |module: &str| faces.iter().any(|face| module.split('/').next() == Some(face));
    for (module, code) in modules() {
        let bare = code.contains(".route(") || code.contains(".route_service(");
        assert!(!(of_a_face(&module) && bare), "{module} registers a route without its description");
    }
}

#[test]
fn some_crates_are_known_in_one_place_only() {
    let mut wrong = Vec::new();
    for (module, code) in modules() {
        for (krate, homes) in AT_HOME {
            let named = names(&code, krate);
            let at_home = homes.iter().any(|home| module == *home || module.starts_with(&format!("{home}/")));
            if named && !at_home {
                wrong.push(format!("{module} knows {krate}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
