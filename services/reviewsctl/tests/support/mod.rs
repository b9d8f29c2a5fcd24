//! Data sets on disk, and `reviewsctl` as a process.

#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod admin;
pub(crate) mod stores;

use sqlx::ConnectOptions as _;
use sqlx::PgPool;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use testkit::TestDatabase;

pub(crate) const REVIEWS: &str = "id,product_id,rating,date,summary,body,recommend,reported,reviewer_name,reviewer_email,response,helpfulness\n";
pub(crate) const PHOTOS: &str = "id,review_id,url\n";
pub(crate) const CHARACTERISTICS: &str = "id,product_id,name\n";
pub(crate) const VALUES: &str = "id,characteristic_id,review_id,value\n";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A folder of the test's own, removed at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{}-{number}", env!("CARGO_CRATE_NAME"), std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The four files, each with its header line before what is given.
    pub(crate) fn with(reviews: &str, photos: &str, characteristics: &str, values: &str) -> Self {
        let folder = Self::new();
        folder.write("reviews.csv", REVIEWS.to_owned() + reviews);
        folder.write("reviews_photos.csv", PHOTOS.to_owned() + photos);
        folder.write("characteristics.csv", CHARACTERISTICS.to_owned() + characteristics);
        folder.write("characteristic_reviews.csv", VALUES.to_owned() + values);
        folder
    }

    /// What `generate` makes of the arguments.
    pub(crate) fn generated(args: &[&str]) -> Self {
        let folder = Self::new();
        let output = reviewsctl().arg("generate").arg(folder.path()).args(args).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program without settings.
pub(crate) fn reviewsctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reviewsctl"));
    for name in [
        "PRIMARY_URL",
        "META_URL",
        "BROKER_URL",
        "ROLE_PASSWORDS_DIR",
        "LOG",
        "ADMIN_TOKEN",
        "ADMIN_TOKEN_FILE",
        "ADMIN_LISTEN",
    ] {
        command.env_remove(name);
    }
    // Away from any `.stack` of the checkout.
    command.current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
    command
}

/// A test database's address as superuser.
pub(crate) fn url(database: &TestDatabase) -> String {
    database.pool.connect_options().to_url_lossy().to_string()
}

/// `reviewsctl import`, to be run.
pub(crate) fn import(database: &TestDatabase, folder: &Folder, args: &[&str]) -> Command {
    let mut command = reviewsctl();
    command.env("PRIMARY_URL", url(database)).arg("import").arg(folder.path()).args(args);
    command
}

/// An import that must succeed; returns what it says.
pub(crate) async fn imported(database: &TestDatabase, folder: &Folder) -> String {
    let output = finished(import(database, folder, &[])).await;
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a program to its end, without holding up the test's own tasks.
pub(crate) async fn finished(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Posts a review as the write service does; returns its id.
pub(crate) async fn post(database: &TestDatabase, product: i64, rating: i64) -> i64 {
    let (product, review) = (testkit::product(product), testkit::new_review(rating));
    testkit::post(&database.pool, product, &review).await.review_id.get()
}

/// For a file, the numbers of lines read, imported, already there and rejected.
pub(crate) fn counts(said: &str, file: &str) -> [u64; 4] {
    let line =
        said.lines().find(|line| line.starts_with(file)).unwrap_or_else(|| panic!("no {file} in {said}"));
    let numbers: Vec<u64> = line.split_whitespace().skip(1).map(|n| n.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

/// One text of everything that a statement selects.
pub(crate) async fn rows(pool: &PgPool, statement: &'static str) -> Vec<String> {
    sqlx::query_scalar(statement).fetch_all(pool).await.unwrap()
}

/// Everything that an import leaves: rows, and events without their identities and times.
pub(crate) async fn content(pool: &PgPool) -> Vec<String> {
    let mut content = rows(
        pool,
        "SELECT r::text FROM reviews r
         UNION ALL SELECT c::text FROM characteristics c
         UNION ALL SELECT p::text FROM product_stream p
         UNION ALL SELECT e::text FROM (SELECT part, product_id, version, type, payload::text FROM event_log) e",
    )
    .await;
    content.sort();
    content
}
