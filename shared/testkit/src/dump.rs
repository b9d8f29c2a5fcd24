//! A database put back to what it was, by the programs that operations people use.

use crate::database::TestDatabase;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// Where Debian puts the programs of each version of Postgres.
const POSTGRES_DIR: &str = "/usr/lib/postgresql";

/// What a database held at a moment.
#[derive(Debug)]
pub struct Dump {
    archive: Vec<u8>,
}

/// Dumps a database, by `pg_dump`.
pub async fn dump(database: &TestDatabase) -> Dump {
    let mut command = Command::new(program("pg_dump"));
    command.args(["--format=custom", "--compress=0", "--dbname", &database.superuser_url()]);
    let output = command.output().await.expect("pg_dump runs");
    assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
    Dump { archive: output.stdout }
}

/// Puts a database back, by `pg_restore --clean`. Its connections stay, and find what it was.
pub async fn restore(dump: &Dump, database: &TestDatabase) {
    let name = format!("{}-{}.dump", std::process::id(), database.name());
    let archive = std::env::temp_dir().join(name);
    tokio::fs::write(&archive, &dump.archive).await.expect("the archive is written");
    let mut command = Command::new(program("pg_restore"));
    command.args(["--clean", "--if-exists", "--single-transaction", "--dbname", &database.superuser_url()]);
    let output = command.arg(&archive).output().await;
    let _ = tokio::fs::remove_file(&archive).await;
    let output = output.expect("pg_restore runs");
    assert!(output.status.success(), "pg_restore: {}", String::from_utf8_lossy(&output.stderr));
}

/// A program of the newest Postgres that is installed, or of that name on the path.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir(POSTGRES_DIR).into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|version| path(*version, name).is_file())
        .max();
    newest.map_or_else(|| PathBuf::from(name), |version| path(version, name))
}

fn path(version: u32, name: &str) -> PathBuf {
    Path::new(POSTGRES_DIR).join(version.to_string()).join("bin").join(name)
}
