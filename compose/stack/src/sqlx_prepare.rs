//! The query data that a build without a database reads: made by compiling the database crates against fresh
//! databases with the migrations applied, written to each crate's `.sqlx`, or compared with it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};

use crate::install::Needs;
use crate::place;
use crate::postgres;
use crate::process;
use crate::role::Role;
use crate::services;
use crate::stack::Stack;
use crate::test;
use crate::ui;

/// A crate whose statements are checked against a database of its own.
#[derive(Debug, Clone, Copy)]
struct DatabaseCrate {
    name: &'static str,
    server: Role,
    /// The variable that the crate's sqlx.toml names.
    url: &'static str,
}

const CRATES: [DatabaseCrate; 2] = [
    DatabaseCrate { name: "primary", server: Role::Primary, url: "PRIMARY_DATABASE_URL" },
    DatabaseCrate { name: "meta", server: Role::Meta, url: "META_DATABASE_URL" },
];

/// File name to content.
type QueryData = BTreeMap<String, String>;

/// Writes the query data of both crates, or with `check` fails when the committed ones are not the same.
pub(crate) fn sqlx_prepare(data: &Path, check: bool) -> Result<ExitCode> {
    test::with_servers(data, &[Role::Primary, Role::Meta], Needs::Servers, |stack| {
        for database in CRATES {
            migrate(stack, database)?;
        }
        let mut stale = Vec::new();
        for database in CRATES {
            let fresh = describe(stack, database)?;
            let dir = stack.repository.join("shared").join(database.name).join(".sqlx");
            let changes = differences(&read(&dir)?, &fresh);
            if !check && !changes.is_empty() {
                replace(&dir, &fresh)?;
            }
            ui::note(format_args!(
                " ok {}: {} queries, {} changed",
                database.name,
                fresh.len(),
                changes.len()
            ));
            stale.extend(changes.into_iter().map(|query| format!("{}: {query}", database.name)));
        }
        if check && !stale.is_empty() {
            bail!(
                "query data are not fresh ({}): run `cargo stack sqlx-prepare` and commit shared/*/.sqlx",
                stale.join("; ")
            );
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// A fresh database, owned as the real one is, with the migrations in the order of their names.
fn migrate(stack: &Stack, database: DatabaseCrate) -> Result<()> {
    let name = postgres::database(database.server);
    let owner = postgres::OWNER;
    let password = stack.secrets.get(owner)?;
    let sql = format!(
        "CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD '{password}';\nCREATE DATABASE {name} OWNER {owner};\n"
    );
    postgres::sql_as_superuser(stack, database.server, &sql)?;
    let dir = stack.repository.join("migrations").join(database.name);
    let mut files: Vec<PathBuf> = fs::read_dir(&dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort_unstable();
    for file in files {
        let sql = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        postgres::psql(stack, database.server, owner, name, &sql)
            .with_context(|| format!("{} cannot be applied", file.display()))?;
    }
    Ok(())
}

/// Compiles the crate with its macros connected to the database, and collects what they write.
fn describe(stack: &Stack, database: DatabaseCrate) -> Result<QueryData> {
    ui::note(format_args!("Checking the statements of {} against its database", database.name));
    let dir = stack.data.join(format!("sqlx-{}", database.name));
    place::make_dir(&dir, 0o700, None)?;
    let source = stack.repository.join("shared").join(database.name).join("src/lib.rs");
    // The macros run only when the crate is compiled anew.
    File::open(&source)
        .and_then(|file| file.set_modified(SystemTime::now()))
        .with_context(|| format!("cannot touch {}", source.display()))?;
    let user = postgres::OWNER;
    let url = format!(
        "postgres://{user}:{}@127.0.0.1:{}/{}",
        stack.secrets.get(user)?,
        stack.port(database.server),
        postgres::database(database.server)
    );
    let mut command = services::cargo(&stack.repository);
    command
        .args(["check", "--quiet", "--package", database.name, "--lib"])
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", &dir)
        .env(database.url, url)
        .stdin(Stdio::null());
    let status = process::run(&mut command)?;
    if !status.success() {
        bail!("{} does not compile against its database: see the messages above", database.name);
    }
    read(&dir)
}

fn read(dir: &Path) -> Result<QueryData> {
    if !dir.exists() {
        return Ok(QueryData::new());
    }
    let mut found = QueryData::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry.with_context(|| format!("cannot read {}", dir.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("query-") && name.ends_with(".json") {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            found.insert(name, text);
        }
    }
    Ok(found)
}

/// The first lines of the queries that were added, removed or changed.
fn differences(old: &QueryData, fresh: &QueryData) -> Vec<String> {
    let changed = |text: &&String, other: &QueryData, name: &str| other.get(name) != Some(*text);
    let added = fresh.iter().filter(|(name, text)| changed(text, old, name));
    let removed = old.iter().filter(|(name, _)| !fresh.contains_key(*name));
    let mut names: Vec<String> = added.chain(removed).map(|(name, text)| title(name, text)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The comment that begins the statement, which is its name.
fn title(file: &str, text: &str) -> String {
    let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let query = json.as_ref().and_then(|json| json.get("query")).and_then(serde_json::Value::as_str);
    let line = query.into_iter().flat_map(str::lines).map(str::trim).find(|line| !line.is_empty());
    line.map_or_else(|| file.to_owned(), |line| line.trim_start_matches("-- ").to_owned())
}

fn replace(dir: &Path, fresh: &QueryData) -> Result<()> {
    place::remove_tree(dir)?;
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for (name, text) in fresh {
        place::write_file(&dir.join(name), text.as_bytes(), 0o644, None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(entries: &[(&str, &str)]) -> QueryData {
        entries
            .iter()
            .map(|(name, query)| {
                (format!("query-{name}.json"), serde_json::json!({ "query": query }).to_string())
            })
            .collect()
    }

    #[test]
    fn added_removed_and_changed_queries_are_named() {
        let old =
            data(&[("1", "-- a.kept\nSELECT 1"), ("2", "-- a.gone\nSELECT 2"), ("3", "-- a.old\nSELECT 3")]);
        let new = data(&[("1", "-- a.kept\nSELECT 1"), ("3", "\n   -- a.new\nSELECT 3"), ("4", "SELECT 4")]);
        assert_eq!(differences(&old, &new), ["SELECT 4", "a.gone", "a.new"]);
        assert!(differences(&new, &new).is_empty());
    }
}
