//! `reviewsctl migrate`: from nothing, again, and the roles' passwords.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection, Row as _};
use support::{Folder, finished, reviewsctl, stderr, url};
use testkit::{TestDatabase, meta_database, primary_database};

/// A database without anything in it, on the server of another; its address.
async fn empty_beside(database: &TestDatabase) -> String {
    let name = format!("{}_empty", database.pool.connect_options().get_database().unwrap());
    for statement in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&database.pool).await.unwrap();
    }
    let options = (*database.pool.connect_options()).clone().database(&name);
    options.to_url_lossy().to_string()
}

async fn connect(url: &str) -> PgConnection {
    url.parse::<sqlx::postgres::PgConnectOptions>().unwrap().connect().await.unwrap()
}

#[tokio::test]
async fn makes_everything_once_and_says_so() {
    let (primary, meta) = (primary_database().await, meta_database().await);
    let (primary, meta) = (empty_beside(&primary).await, empty_beside(&meta).await);
    let migrate = || {
        let mut command = reviewsctl();
        command.env("PRIMARY_URL", &primary).env("META_URL", &meta).arg("migrate");
        finished(command)
    };
    let output = migrate().await;
    assert!(output.status.success(), "{}", stderr(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.starts_with("primary: applied 0001 reviews and log\nprimary: applied 0002 import staging\n"),
        "{said}"
    );
    assert!(said.contains("\nmeta: applied 0001 generations\n"), "{said}");
    let tables =
        sqlx::query("SELECT count(*) FROM log_head").fetch_one(&mut connect(&primary).await).await.unwrap();
    assert_eq!(tables.get::<i64, _>(0), 64);

    let output = migrate().await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "primary: up to date\nmeta: up to date\n\
         roles: passwords left as they are, as ROLE_PASSWORDS_DIR is not set\n"
    );
}

#[tokio::test]
async fn sets_the_passwords_of_the_roles_and_says_none_of_them() {
    let (primary, meta) = (primary_database().await, meta_database().await);
    let folder = Folder::new();
    let migrate = || {
        let mut command = reviewsctl();
        command.env("PRIMARY_URL", url(&primary)).env("META_URL", url(&meta)).env("LOG", "trace");
        command.env("ROLE_PASSWORDS_DIR", folder.path()).arg("migrate");
        finished(command)
    };
    // The other tests' password: roles belong to the whole server.
    for role in ["reviews_write", "reviews_read"] {
        folder.write(role, "test\n");
    }
    let output = migrate().await;
    assert_eq!(output.status.code(), Some(1));
    let missing = folder.path().join("reviews_projector");
    let expected = format!(
        "reviewsctl: cannot migrate the primary database: cannot read the password of reviews_projector in {}: ",
        missing.display()
    );
    assert!(stderr(&output).contains(&expected), "{}", stderr(&output));

    folder.write("reviews_projector", "test\n");
    let output = migrate().await;
    assert!(output.status.success(), "{}", stderr(&output));
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(said.contains("primary: set the password of reviews_write\n"), "{said}");
    assert!(said.contains("meta: set the password of reviews_projector\n"), "{said}");
    assert!(!stderr(&output).contains("PASSWORD"), "{}", stderr(&output));
    let role = "SELECT current_user::text";
    let user: String = sqlx::query_scalar(role).fetch_one(&primary.pool_of("reviews_write")).await.unwrap();
    assert_eq!(user, "reviews_write");
}
