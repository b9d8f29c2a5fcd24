//! `reviewsctl migrate`: creates and changes the tables of both databases, then the roles' passwords.

use crate::config::Config;
use crate::store::Store;
use anyhow::Context as _;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The services' roles, whose names are in the migrations.
const ROLES: [&str; 3] = ["reviews_write", "reviews_read", "reviews_projector"];

/// Migrates both databases and returns what was done, line by line.
pub(crate) async fn run(config: &Config) -> anyhow::Result<Vec<String>> {
    let (primary, meta) = (config.primary()?, config.meta()?);
    let databases = [
        ("primary", Store::primary(&primary), primary, &primary::MIGRATIONS),
        ("meta", Store::meta(&meta), meta, &meta::MIGRATIONS),
    ];
    let passwords = config.role_passwords_dir();
    let mut said = Vec::new();
    for (name, store, options, migrations) in databases {
        migrate(name, options, migrations, passwords.as_deref(), &mut said)
            .await
            .map_err(|error| store.lost(error, ""))
            .with_context(|| format!("cannot migrate the {name} database"))?;
    }
    if passwords.is_none() {
        said.push("roles: passwords left as they are, as ROLE_PASSWORDS_DIR is not set".to_owned());
    }
    Ok(said)
}

async fn migrate(
    name: &str,
    options: PgConnectOptions,
    migrations: &Migrator,
    passwords: Option<&Path>,
    said: &mut Vec<String>,
) -> anyhow::Result<()> {
    // Statements may hold passwords: none of them is logged.
    let mut connection = options.disable_statement_logging().connect().await?;
    let before = applied(&mut connection).await?;
    migrations.run(&mut connection).await?;
    let mut news = 0;
    for migration in migrations.iter().filter(|m| !before.contains(&m.version)) {
        said.push(format!("{name}: applied {:04} {}", migration.version, migration.description));
        news += 1;
    }
    if news == 0 {
        said.push(format!("{name}: up to date"));
    }
    if let Some(folder) = passwords {
        for role in ROLES {
            if set_password(&mut connection, role, &folder.join(role)).await? {
                said.push(format!("{name}: set the password of {role}"));
            }
        }
    }
    connection.close().await?;
    Ok(())
}

// The statements below are about the server, not about tables of ours: there is no schema that the
// checked macros could hold them against.

async fn applied(connection: &mut PgConnection) -> anyhow::Result<BTreeSet<i64>> {
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !exists {
        return Ok(BTreeSet::new());
    }
    let versions: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
        .fetch_all(connection)
        .await?;
    Ok(versions.into_iter().collect())
}

/// Sets the password of a role that the server has; false when it has no such role.
async fn set_password(connection: &mut PgConnection, role: &str, file: &PathBuf) -> anyhow::Result<bool> {
    let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
        .bind(role)
        .fetch_one(&mut *connection)
        .await?;
    if !known {
        return Ok(false);
    }
    let password = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the password of {role} in {}", file.display()))?;
    // ALTER ROLE takes no parameters, so the server quotes the password.
    let statement: String =
        sqlx::query_scalar("SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)")
            .bind(role)
            .bind(password.trim_end_matches(['\r', '\n']))
            .fetch_one(&mut *connection)
            .await?;
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(connection)
        .await
        .with_context(|| format!("cannot set the password of {role}"))?;
    Ok(true)
}
