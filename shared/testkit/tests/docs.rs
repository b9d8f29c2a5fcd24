//! The documents against the code: links lead somewhere, names in them are defined where they point,
//! and the tables of settings and bounds are those of the sources.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail as the test does")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Files below `dir` with this extension, in order; build output and hidden folders left out.
fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort_unstable();
    found
}

fn documents() -> Vec<PathBuf> {
    let root = repository();
    let mut found: Vec<PathBuf> =
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].iter().map(|name| root.join(name)).collect();
    for folder in ["docs", "compose", "loadtest"] {
        found.extend(files(&root.join(folder), "md"));
    }
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Lines of a document that are not in a code block.
fn prose(text: &str) -> Vec<&str> {
    let mut in_code = false;
    text.lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            in_code ^= fence;
            !in_code && !fence
        })
        .collect()
}

/// Text and target of every link in a line.
fn links(line: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find("](") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        let text = before.rfind('[').map_or(before, |open| &before[open + 1..]);
        let Some(end) = after.find(')') else { break };
        found.push((text, &after[..end]));
        rest = &after[end + 1..];
    }
    found
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Whether `name` stands in `text` with nothing before or after it that could belong to a name.
fn has_word(text: &str, name: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + name.len()..].chars().next());
        !before.is_some_and(part_of_name) && !after.is_some_and(part_of_name)
    })
}

/// Whether `file` defines what a link calls `name`: an item of Rust or a named statement in a source, and
/// in any other file, or where it is no name at all, these very words.
fn defines(file: &Path, name: &str) -> bool {
    let (text, name) = (read(file), name.strip_suffix("()").unwrap_or(name));
    let is_name = |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if file.extension().is_none_or(|extension| extension != "rs") || !name.split('.').all(is_name) {
        return has_word(&text, name);
    }
    if !is_name(name) {
        return has_word(&text, &format!("-- {name}"));
    }
    let kinds = ["fn", "struct", "enum", "type", "const", "static", "trait", "mod"];
    kinds.iter().any(|kind| has_word(&text, &format!("{kind} {name}")))
}

/// What is wrong with a link, if anything.
fn fault(document: &Path, text: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { document.to_owned() } else { document.parent().unwrap().join(file) };
    if !path.exists() {
        return Some(format!("{target} does not exist"));
    }
    if !heading.is_empty() {
        let text = read(&path);
        let known = prose(&text).into_iter().any(|line| line.starts_with('#') && anchor(line) == heading);
        return (!known).then(|| format!("{file} has no heading #{heading}"));
    }
    let name = text.strip_prefix('`').and_then(|text| text.strip_suffix('`'))?;
    let is_path = path.is_dir() || path.ends_with(name) || name.contains('/') && target.contains(name);
    (!is_path && !defines(&path, name)).then(|| format!("{file} does not define {name}"))
}

#[test]
fn every_relative_link_leads_to_what_it_names() {
    let root = repository();
    let (mut checked, mut faults) = (0, Vec::new());
    for document in documents() {
        for line in prose(&read(&document)) {
            for (text, target) in links(line) {
                checked += 1;
                let shown = document.strip_prefix(&root).unwrap().display();
                faults.extend(fault(&document, text, target).map(|fault| format!("{shown}: {fault}")));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(checked > 100, "only {checked} links were found");
}

/// The cells of every row of the tables under a heading of the operations page.
fn table(heading: &str) -> Vec<Vec<String>> {
    let text = read(&repository().join("docs/OPERATIONS.md"));
    let section = prose(&text).into_iter().skip_while(|line| *line != heading).skip(1);
    section
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with("| [`") || line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// Names of environment variables: literals in capitals that are the first argument of a call.
/// A database is named by a prefix of its settings, whose endings `settings.rs` has.
fn settings_read() -> BTreeSet<String> {
    let root = repository();
    let capitals = |text: &str| {
        text.len() > 2
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    let arguments = |text: &str, opening: &str| -> Vec<String> {
        text.split(opening).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
    };
    let mut sources = files(&root.join("services"), "rs");
    sources.retain(|path| path.components().any(|part| part.as_os_str() == "src"));
    sources.extend(files(&root.join("shared/service/src"), "rs"));
    let endings = arguments(&read(&root.join("shared/service/src/settings.rs")), "&format!(\"{prefix}");
    assert!(!endings.is_empty());
    let mut names = BTreeSet::new();
    for source in sources {
        let text = read(&source);
        let prefixes = [".pool(\"", ".database(\""].iter().flat_map(|call| arguments(&text, call));
        for (at, _) in text.match_indices("(\"") {
            let is_call = text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let name = text[at + 2..].split('"').next().unwrap_or_default();
            if is_call && capitals(name) {
                names.insert(name.to_owned());
            }
        }
        for prefix in prefixes.filter(|name| !name.ends_with("_URL")) {
            names.remove(&prefix);
            names.extend(endings.iter().map(|ending| format!("{prefix}{ending}")));
        }
    }
    // What only the tool reads, for NGINX.
    let of_tool = arguments(&read(&root.join("compose/stack/src/settings.rs")), ": &str = \"");
    assert!(!of_tool.is_empty());
    names.extend(of_tool.into_iter().filter(|name| capitals(name)));
    names
}

#[test]
fn the_settings_are_those_that_the_services_read() {
    let documented: BTreeSet<String> =
        table("## Settings").iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    assert_eq!(documented, settings_read());
}

/// Constants of the sources: name and file to value, as people write it.
fn constants() -> BTreeMap<(String, String), String> {
    let root = repository();
    let mut found = BTreeMap::new();
    for source in files(&root.join("services"), "rs").into_iter().chain(files(&root.join("shared"), "rs")) {
        let path = source.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let text = read(&source);
        let lines =
            text.lines().map(|line| line.trim_start_matches("pub ").trim_start_matches("pub(crate) "));
        for line in lines {
            let Some((name, rest)) = line.strip_prefix("const ").and_then(|line| line.split_once(": "))
            else {
                continue;
            };
            let Some((_, value)) = rest.split_once(" = ") else { continue };
            found.insert((name.to_owned(), path.clone()), plain(value.trim_end_matches(';')));
        }
    }
    found
}

/// `Duration::from_millis(250)` is `250 ms`, `20_000` is `20,000`; the rest stays.
fn plain(value: &str) -> String {
    for (call, unit) in [("Duration::from_secs(", "s"), ("Duration::from_millis(", "ms")] {
        if let Some(number) = value.strip_prefix(call).and_then(|rest| rest.strip_suffix(')')) {
            return format!("{} {unit}", plain(number));
        }
    }
    if value.contains(|c: char| c.is_ascii_alphabetic()) { value.to_owned() } else { value.replace('_', ",") }
}

#[test]
fn the_bounds_are_those_of_the_sources() {
    let constants = constants();
    let mut documented = BTreeSet::new();
    let mut faults = Vec::new();
    for row in table("## Bounds").iter().filter(|row| row[0].starts_with('[')) {
        let (text, target) = links(&row[0])[0];
        let key = (text.trim_matches('`').to_owned(), target.trim_start_matches("../").to_owned());
        match constants.get(&key) {
            Some(value) if *value == row[1] => {}
            Some(value) => faults.push(format!("{} of {} is {value}, not {}", key.0, key.1, row[1])),
            None => faults.push(format!("there is no {} in {}", key.0, key.1)),
        }
        documented.insert(key);
    }
    let is_bound = |name: &str| name.ends_with("_MAX") || name.ends_with("_TIMEOUT");
    // What `generate` makes up and what tests wait for bound nothing that runs.
    let runs = |path: &str| {
        path.contains("/src/") && !path.contains("/generate") && !path.starts_with("shared/testkit/")
    };
    for key in constants.keys().filter(|(name, path)| is_bound(name) && runs(path)) {
        if !documented.contains(key) {
            faults.push(format!("{} of {} has no row", key.0, key.1));
        }
    }
    assert!(faults.is_empty(), "docs/OPERATIONS.md, Bounds: {faults:#?}");
    assert!(documented.len() > 30, "only {} rows were found", documented.len());
}

#[test]
fn a_link_is_read_and_a_wrong_one_is_found() {
    assert_eq!(links("see [`a`](b.rs), [c d](e.md#f) and (g)"), [("`a`", "b.rs"), ("c d", "e.md#f")]);
    let here = repository().join("shared/testkit/tests/docs.rs");
    let fault = |text, target| fault(&here, text, target).unwrap_or_default();
    assert_eq!(fault("`has_word`", "docs.rs"), "");
    assert_eq!(fault("`has`", "docs.rs"), "docs.rs does not define has");
    assert_eq!(fault("x", "nowhere.rs"), "nowhere.rs does not exist");
    assert_eq!(fault("x", "docs.rs#nowhere"), "docs.rs has no heading #nowhere");
    let statement = "../../primary/src/sequence.rs";
    assert_eq!(fault("`log.sequence`", statement), "");
    assert_eq!(fault("`log.sequences`", statement), format!("{statement} does not define log.sequences"));
    assert_eq!(anchor("## A product's meta, parked"), "a-products-meta-parked");
    assert_eq!(plain("Duration::from_secs(30 * 60)"), "30 * 60 s");
}
