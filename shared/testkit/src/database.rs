//! A database for each test, copied from a template that holds the tables.

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

/// Password of every role on the test servers.
const ROLE_PASSWORD: &str = "test";
/// Key of the lock under which templates are made and copied ("tests" in ASCII).
const TEMPLATE_LOCK: i64 = 0x74_65_73_74_73;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A database that only this test uses. It goes away with the test servers.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    /// Connections as superuser.
    pub pool: PgPool,
    options: PgConnectOptions,
    server: String,
}

impl TestDatabase {
    /// How a role connects to it.
    pub fn options_of(&self, role: &str) -> PgConnectOptions {
        self.options.clone().username(role).password(ROLE_PASSWORD)
    }

    /// Connections as a role that services use.
    pub fn pool_of(&self, role: &str) -> PgPool {
        PgPoolOptions::new().max_connections(8).connect_lazy_with(self.options_of(role))
    }

    /// Its name on its server.
    pub(crate) fn name(&self) -> &str {
        self.options.get_database().expect("a test database has a name")
    }

    /// Its address as superuser, in the form that other programs read.
    pub(crate) fn superuser_url(&self) -> String {
        let (server, _) = self.server.rsplit_once('/').expect("a server's address ends in a database");
        format!("{server}/{}", self.name())
    }

    /// Its address as a role, with the password in it.
    pub fn url_of(&self, role: &str) -> String {
        let options = self.options_of(role);
        let (host, port) = (options.get_host(), options.get_port());
        format!("postgres://{role}:{ROLE_PASSWORD}@{host}:{port}/{}", self.name())
    }
}

/// A primary database of its own.
pub async fn primary_database() -> TestDatabase {
    copy("TEST_PRIMARY_URL", "primary", &primary::MIGRATIONS).await
}

/// A meta database of its own, on another server.
pub async fn meta_database() -> TestDatabase {
    copy("TEST_META_URL", "meta", &meta::MIGRATIONS).await
}

async fn copy(server: &str, kind: &str, migrations: &Migrator) -> TestDatabase {
    let server = crate::environment(server);
    let options = PgConnectOptions::from_str(&server).expect("the server's address");
    let options = options.disable_statement_logging();
    let mut admin = options.connect().await.expect("the test server answers");
    // Held until the connection closes, by a test that fails too.
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(TEMPLATE_LOCK)
        .execute(&mut admin)
        .await
        .expect("the lock");
    let template = template(&mut admin, &options, kind, migrations).await;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("test_{kind}_{}_{number}", std::process::id());
    execute(&mut admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    execute(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    admin.close().await.expect("the connection closes");
    let options = options.database(&name);
    let pool = PgPoolOptions::new().max_connections(8).connect_lazy_with(options.clone());
    TestDatabase { pool, options, server }
}

/// The name of the template that has these migrations, made if there is none.
async fn template(
    admin: &mut PgConnection,
    options: &PgConnectOptions,
    kind: &str,
    migrations: &Migrator,
) -> String {
    let checksums = migrations.iter().flat_map(|migration| migration.checksum.iter());
    let fingerprint =
        checksums.fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    let name = format!("template_{kind}_{fingerprint:016x}");
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut *admin)
        .await
        .expect("the list of databases");
    if !there {
        let half_made = format!("{name}_half_made");
        execute(admin, format!("DROP DATABASE IF EXISTS {half_made} WITH (FORCE)")).await;
        execute(admin, format!("CREATE DATABASE {half_made}")).await;
        let mut connection =
            options.clone().database(&half_made).connect().await.expect("the template answers");
        migrations.run(&mut connection).await.expect("the migrations apply");
        for role in ["reviews_write", "reviews_read", "reviews_projector"] {
            let alter = format!(
                "DO $$ BEGIN ALTER ROLE {role} PASSWORD '{ROLE_PASSWORD}'; EXCEPTION WHEN undefined_object THEN NULL; END $$"
            );
            execute(&mut connection, alter).await;
        }
        connection.close().await.expect("the connection closes");
        execute(admin, format!("ALTER DATABASE {half_made} RENAME TO {name}")).await;
    }
    name
}

async fn execute(connection: &mut PgConnection, statement: String) {
    // Names are made here, and no statement that creates a database takes parameters.
    sqlx::raw_sql(AssertSqlSafe(statement.clone()))
        .execute(connection)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
}
