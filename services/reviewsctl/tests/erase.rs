//! `reviewsctl erase` and `export`: what they do, say and leave behind.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use serde_json::{Value, json};
use sqlx::PgPool;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};
use support::{Folder, content, counts, finished, import, imported, post, reviewsctl, rows, stderr, url};
use testkit::{TestDatabase, assert_log_is_whole, fold_of_log, primary_database, product};

/// Two of Ada's, in spellings of their own, and one that is not.
const REVIEWS: &str = "1,1,5,2019-01-01,Sum,\"Ada's text.\",1,0,Ada,Ada@Example.com,Thanks,3\n\
                       2,2,2,2019-01-02,,Another text.,0,0,Ada,\" ada@example.com\",,0\n\
                       3,1,4,2019-01-03,,Of somebody else.,1,0,Bob,bob@example.com,,0\n";
const PHOTOS: &str = "1,1,https://x/1\n2,3,https://x/2\n";
const CHARACTERISTICS: &str = "1,1,Fit\n";
const VALUES: &str = "1,1,1,4\n2,1,3,2\n";

fn data() -> Folder {
    Folder::with(REVIEWS, PHOTOS, CHARACTERISTICS, VALUES)
}

async fn database() -> TestDatabase {
    let database = primary_database().await;
    imported(&database, &data()).await;
    database
}

async fn run(database: &TestDatabase, args: &[&str]) -> Output {
    let mut command: Command = reviewsctl();
    command.env("PRIMARY_URL", url(database)).env("LOG", "trace").args(args);
    finished(command).await
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Action, reviews and whether an address was asked for, of every row.
async fn audited(pool: &PgPool) -> Vec<String> {
    rows(
        pool,
        "SELECT concat_ws(' ', action, review_ids, CASE WHEN subject IS NOT NULL THEN 'by address' END)
         FROM audit ORDER BY id",
    )
    .await
}

async fn sequence(pool: &PgPool) {
    let mut connection = pool.acquire().await.unwrap();
    while !primary::sequence_events(&mut connection).await.unwrap().is_empty() {}
    assert_log_is_whole(pool).await;
}

#[tokio::test]
async fn erases_what_is_named_says_so_and_fails_for_what_is_unknown() {
    let database = database().await;
    let output = run(&database, &["erase", "--review", "1", "--review", "9", "--review", "1", "--yes"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stdout(&output),
        "review 1: erased; product 1 is at version 4\nreview 9: there is no such review\n\
         1 erased, 0 erased before, 1 unknown\n"
    );
    let output = run(&database, &["erase", "--review", "1", "--review", "2", "--yes", "--json"]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        serde_json::from_slice::<Value>(&output.stdout).unwrap(),
        json!({
            "reviews": [
                { "review_id": 1, "outcome": "before" },
                { "review_id": 2, "outcome": "erased", "product_id": 2, "version": 2 },
            ],
            "erased": 1, "before": 1, "unknown": 0,
        })
    );
    assert_eq!(audited(&database.pool).await, ["erase {1,9}", "erase {1,2}"]);
    sequence(&database.pool).await;
    let folded = fold_of_log(&database.pool).await;
    assert_eq!((folded[&1].ratings, folded[&2].ratings), ([0, 0, 0, 1, 0], [0; 5]));
}

#[tokio::test]
async fn erases_all_of_an_address_which_is_said_and_kept_nowhere() {
    let database = database().await;
    let output = run(&database, &["erase", "--email", "ADA@example.com", "--yes"]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).ends_with("\n2 erased, 0 erased before, 0 unknown\n"), "{}", stdout(&output));
    for said in [stdout(&output), stderr(&output)] {
        assert!(!said.to_lowercase().contains("ada"), "{said}");
    }
    let left = rows(&database.pool, "SELECT row_to_json(r)::text FROM reviews r WHERE review_id < 3").await;
    assert!(left.iter().all(|row| !row.contains("Ada") && !row.contains("text") && !row.contains("https")));
    let kept =
        rows(&database.pool, "SELECT reviewer_email || photos::text FROM reviews WHERE review_id = 3").await;
    assert_eq!(kept, ["bob@example.com[{\"id\": 2, \"url\": \"https://x/2\"}]"]);

    let again = run(&database, &["erase", "--email", "ada@example.com", "--yes"]).await;
    assert_eq!(stdout(&again), "0 erased, 0 erased before, 0 unknown\n");
    assert!(again.status.success());
    assert_eq!(audited(&database.pool).await, ["erase {1,2} by address", "erase {} by address"]);
    let audit = rows(&database.pool, "SELECT a::text FROM audit a").await;
    assert!(audit.iter().all(|row| !row.to_lowercase().contains("example")), "{audit:?}");
}

#[tokio::test]
async fn nobody_to_ask_and_nothing_to_erase_are_refused_with_the_mend() {
    let database = database().await;
    let before = content(&database.pool).await;
    let output = run(&database, &["erase", "--review", "1"]).await;
    assert_eq!(output.status.code(), Some(1));
    let said =
        "reviewsctl: erasing cannot be undone, and nobody can be asked here: run it again with --yes\n";
    assert!(stderr(&output).ends_with(said), "{}", stderr(&output));
    for (args, said) in [
        (&["erase", "--yes"][..], "--review <ID>|--email <ADDRESS>"),
        (&["erase", "--review", "1", "--email", "a@x", "--yes"], "cannot be used with"),
        (&["erase", "--review", "0", "--yes"], "is not a whole number from 1 to 9007199254740991"),
        (&["erase", "--email", " ", "--yes"], "it is blank: give the address that the reviews came with"),
    ] {
        let output = run(&database, args).await;
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains(said), "{args:?}: {}", stderr(&output));
    }
    assert_eq!(content(&database.pool).await, before);
    assert!(audited(&database.pool).await.is_empty());

    let mut away = reviewsctl();
    away.env("PRIMARY_URL", "postgres://a@127.0.0.1:1/b").args(["export", "--email", "a@x"]);
    let output = finished(away).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "reviewsctl: the primary database is away (127.0.0.1:1/b): connection refused; \
         start it (`cargo stack start primary`) or check PRIMARY_URL\n"
    );
}

#[tokio::test]
async fn a_review_that_is_held_too_long_is_said_and_the_rest_is_for_the_next_run() {
    let database = database().await;
    let mut holder = database.pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM product_stream WHERE product_id = 2 FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let output = run(&database, &["erase", "--email", "ada@example.com", "--yes"]).await;
    holder.rollback().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = "reviewsctl: cannot erase review 2: the primary database was too busy; run the same command again; \
                1 of 2 reviews were done before\n";
    assert!(stderr(&output).ends_with(said), "{}", stderr(&output));
    let output = run(&database, &["erase", "--email", "ada@example.com", "--yes"]).await;
    assert_eq!(stdout(&output).lines().last(), Some("1 erased, 0 erased before, 0 unknown"));
    sequence(&database.pool).await;
}

#[tokio::test]
async fn an_import_does_not_bring_an_erased_review_back() {
    let database = database().await;
    let output = run(&database, &["erase", "--review", "1", "--yes"]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    sequence(&database.pool).await;
    let before = content(&database.pool).await;
    let folder = data();
    let path = folder.path().join("rejects.csv");
    let output = finished(import(&database, &folder, &["--rejects", path.to_str().unwrap()])).await;
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stdout(&output);
    assert_eq!(counts(&said, "reviews.csv"), [3, 0, 2, 1], "{said}");
    assert_eq!(counts(&said, "reviews_photos.csv"), [2, 0, 1, 1], "{said}");
    assert_eq!(counts(&said, "characteristic_reviews.csv"), [2, 0, 1, 1], "{said}");
    assert_eq!(
        folder.read("rejects.csv"),
        "file,line,reason\n\
         characteristic_reviews.csv,2,review 1 was erased: nothing of it is taken again\n\
         reviews.csv,2,review 1 was erased: it is not taken again\n\
         reviews_photos.csv,2,review 1 was erased: nothing of it is taken again\n"
    );
    assert_eq!(content(&database.pool).await, before);
    assert_eq!(rows(&database.pool, "SELECT count(*)::text FROM staging.reviews").await, ["0"]);
    let meta = primary::product_meta(&database.pool, product(1)).await.unwrap();
    assert_eq!(meta, fold_of_log(&database.pool).await[&1]);
    // Its id is never given again.
    assert_eq!(post(&database, 1, 3).await, 4);
}

#[tokio::test]
async fn exports_all_that_is_held_to_standard_output_or_a_file_of_its_own() {
    let database = database().await;
    let voted = testkit::vote(&database.pool, 1.try_into().unwrap(), primary::VoteKind::Helpful).await;
    assert!(voted.is_some());
    let output = run(&database, &["export", "--email", "aDa@example.com"]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["email"], "aDa@example.com");
    assert!(document["exported_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        document["reviews"],
        json!([
            {
                "review_id": 1, "product_id": 1, "rating": 5, "date": "2019-01-01T00:00:00Z", "summary": "Sum",
                "body": "Ada's text.", "recommend": true, "reviewer_name": "Ada", "reviewer_email": "Ada@Example.com",
                "response": "Thanks", "photos": [{ "id": 1, "url": "https://x/1" }],
                "characteristics": [{ "id": 1, "name": "Fit", "value": 4 }], "helpfulness": 4, "reports": 0,
                "votes_with_visitor": 0, "hidden_by_reports": false, "hidden_by_moderation": false,
            },
            {
                "review_id": 2, "product_id": 2, "rating": 2, "date": "2019-01-02T00:00:00Z", "summary": "",
                "body": "Another text.", "recommend": false, "reviewer_name": "Ada",
                "reviewer_email": " ada@example.com", "response": null, "photos": [], "characteristics": [],
                "helpfulness": 0, "reports": 0, "votes_with_visitor": 0, "hidden_by_reports": false,
                "hidden_by_moderation": false,
            },
        ])
    );
    assert!(!stderr(&output).to_lowercase().contains("example"), "{}", stderr(&output));

    let folder = Folder::new();
    let path = folder.path().join("ada.json");
    let out = ["export", "--email", "ada@example.com", "--out", path.to_str().unwrap()];
    let output = run(&database, &out).await;
    assert!(output.status.success() && output.stdout.is_empty(), "{}", stderr(&output));
    assert!(
        stderr(&output).ends_with(&format!("2 reviews written to {}\n", path.display())),
        "{}",
        stderr(&output)
    );
    let written: Value = serde_json::from_str(&folder.read("ada.json")).unwrap();
    assert_eq!(written["reviews"], document["reviews"]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let output = run(&database, &out).await;
    assert_eq!(output.status.code(), Some(1));
    let said = format!("reviewsctl: --out {} exists already: name a new file\n", path.display());
    assert!(stderr(&output).ends_with(&said), "{}", stderr(&output));

    let output = run(&database, &["export", "--email", "nobody@example.com"]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["reviews"], json!([]));
    let found = "export {1,2} by address";
    assert_eq!(audited(&database.pool).await, [found, found, "export {} by address"]);
}
