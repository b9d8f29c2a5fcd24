//! What bounds the storing of reviews: `pgbench`, which runs the statement that stores one on the same database, beside the same relay,
//! over as many sessions as the load test has connections.

use crate::bare::repository;
use crate::drive::{Counts, Outcome};
use crate::scenario::Setting;
use crate::stack::primary;
use crate::traffic::Pool;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Parts of the log, as in the statement's first parameter.
const PARTS: u64 = 64;
/// How the statement begins.
const MARK: &str = "-- reviews.post\n";
/// Where Debian puts Postgres, by major version.
const POSTGRES: &str = "/usr/lib/postgresql";
const THREADS: &str = "2";
const SCRIPT: &str = "post.sql";
/// Stands for null.
const NONE: &str = "none";

/// Runs it for a time, one transaction after another on each connection.
pub(crate) async fn measure(setting: &Setting) -> Result<Outcome> {
    let pool = Pool::read_from(setting.front, setting.products).await?;
    let dir = std::env::temp_dir().join(format!("reviews-pgbench-{}", std::process::id()));
    let (options, password) = primary(&setting.data)?;
    // `pgbench` takes whole seconds.
    let setting = Setting { time: Duration::from_secs(setting.time.as_secs().max(1)), ..setting.clone() };
    std::fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let measured = tokio::task::spawn_blocking({
        let dir = dir.clone();
        move || pgbench(&dir, &pool, &setting, &options, &password)
    });
    let measured = measured.await?;
    std::fs::remove_dir_all(&dir)?;
    measured
}

fn pgbench(
    dir: &Path,
    pool: &Pool,
    setting: &Setting,
    options: &PgConnectOptions,
    password: &str,
) -> Result<Outcome> {
    let program = newest_postgres()?.join("pgbench");
    let mut pgbench = Command::new(&program);
    let socket =
        options.get_socket().map_or(options.get_host().into(), |socket| socket.as_os_str().to_owned());
    pgbench
        .env("PGHOST", socket)
        .env("PGPORT", options.get_port().to_string())
        .env("PGUSER", options.get_username())
        .env("PGDATABASE", options.get_database().context("no database")?)
        .env("PGPASSWORD", password)
        .current_dir(dir)
        .args(["--no-vacuum", "--protocol=prepared", "--log", "--log-prefix=transactions"])
        .args(["--jobs", THREADS, "--client", &setting.connections.to_string()])
        .args(["--time", &setting.time.as_secs().to_string()]);
    for (name, value) in [
        ("summary", "Walked all day in them"),
        (
            "body",
            "True to size, soft where it matters, and the soles are still as new after a month of cobblestones.",
        ),
        ("name", "cobblestone"),
        ("email", "cobblestone@example.com"),
        ("photos", "{}"),
        ("none", NONE),
    ] {
        pgbench.arg(format!("--define={name}={value}"));
    }
    let statement = statement(&repository()?)?;
    let products: Vec<Product<'_>> = (0..pool.len()).map(|number| pool.product(number)).collect();
    std::fs::write(dir.join(SCRIPT), script(&statement, &products)?)?;
    pgbench.args(["--file", SCRIPT]);
    let ran = pgbench.stdin(Stdio::null()).output();
    let ran = ran.with_context(|| format!("cannot start {}", program.display()))?;
    let said = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "pgbench failed: {}", said.lines().last().unwrap_or_default());
    outcome(dir, setting.time)
}

/// The newest Postgres's programs.
fn newest_postgres() -> Result<PathBuf> {
    let majors = std::fs::read_dir(POSTGRES).into_iter().flatten().flatten();
    let majors = majors.filter_map(|dir| dir.file_name().to_str()?.parse::<u32>().ok());
    let newest =
        majors.max().with_context(|| format!("no Postgres in {POSTGRES}: `cargo stack up` installs it"))?;
    Ok(Path::new(POSTGRES).join(newest.to_string()).join("bin"))
}

/// The statement that the write service stores a review with, as it is checked at build time.
fn statement(repository: &Path) -> Result<String> {
    let dir = repository.join("shared/primary/.sqlx");
    for file in std::fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let file: Value = serde_json::from_slice(&std::fs::read(file?.path())?)?;
        if let Some(query) = file["query"].as_str().filter(|query| query.starts_with(MARK)) {
            return Ok(query.to_owned());
        }
    }
    anyhow::bail!("{} has no statement that begins with {MARK:?}", dir.display())
}

/// A product's id, and those of its characteristics.
type Product<'a> = (u64, &'a [i64]);

/// A script that stores a review of one of the products, with the statement's parameters as `pgbench` has them. It knows no null:
/// what is null is made of a text, which the planner cannot see through, as it cannot see a parameter's value.
fn script(statement: &str, products: &[Product<'_>]) -> Result<String> {
    let last = products.len().checked_sub(1).context("there are no products")?;
    // It knows no lists either: a variable for each characteristic that a product may have.
    let most = products.iter().map(|(_, characteristics)| characteristics.len()).max().unwrap_or(0).max(1);
    let ids: Vec<String> = (0..most).map(|n| format!(":id{n}")).collect();
    let values = [
        ":part::smallint".to_owned(),
        ":product::bigint".to_owned(),
        ":rating::smallint".to_owned(),
        ":summary::text".to_owned(),
        ":body::text".to_owned(),
        "(:rating > 2)".to_owned(),
        ":name::text".to_owned(),
        ":email::text".to_owned(),
        format!("(ARRAY[{}])[1 : :count]", ids.join(", ")),
        format!("'{{{}}}'", vec!["4"; most].join(",")),
        ":photos".to_owned(),
        "gen_random_uuid()".to_owned(),
        format!("nullif(:none::text, '{NONE}')"),
        format!("nullif(:none::text, '{NONE}')"),
        format!("nullif(:none::text, '{NONE}')::bytea"),
    ];
    let mut text = statement.trim_start_matches(MARK).to_owned();
    // From the last, so that $1 is not taken for the beginning of $15.
    for (n, value) in values.iter().enumerate().rev() {
        text = text.replace(&format!("${}", n + 1), value);
    }
    let mut script = format!("\\set n random(0, {last})\n\\set rating random(1, 5)\n");
    let mut set = |name: &str, value: &dyn Fn(&Product<'_>) -> String| {
        script += &format!("\\set {name} {}\n", of_each(products, 0, value));
    };
    set("product", &|(id, _)| id.to_string());
    set("part", &|(id, _)| (id % PARTS).to_string());
    set("count", &|(_, characteristics)| characteristics.len().to_string());
    for n in 0..most {
        set(&format!("id{n}"), &|(_, characteristics)| characteristics.get(n).unwrap_or(&0).to_string());
    }
    Ok(format!("{script}{text};\n"))
}

/// An expression that has a value for each product, by its number `n`: a tree, since `pgbench` looks at one condition after the other.
fn of_each(products: &[Product<'_>], from: usize, value: &dyn Fn(&Product<'_>) -> String) -> String {
    if let [product] = products {
        return value(product);
    }
    let (lower, upper) = products.split_at(products.len() / 2);
    let middle = from + lower.len();
    let (lower, upper) = (of_each(lower, from, value), of_each(upper, middle, value));
    format!("CASE WHEN :n < {middle} THEN {lower} ELSE {upper} END")
}

/// What its logs say: of each transaction a line, with its client, its number and its time in microseconds.
fn outcome(dir: &Path, time: Duration) -> Result<Outcome> {
    let mut counts = Counts::default();
    for file in std::fs::read_dir(dir)? {
        let path = file?.path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("transactions")) {
            continue;
        }
        for line in std::fs::read_to_string(path)?.lines() {
            let us = line.split(' ').nth(2).and_then(|us| us.parse().ok());
            let us = us.with_context(|| format!("pgbench logged what is no transaction: {line}"))?;
            counts.record(Duration::from_micros(us), Ok(None));
        }
    }
    Outcome::of(&counts, time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_of_the_statement_has_its_value() {
        let statement = statement(&repository().unwrap()).unwrap();
        let products = [(130, [6, 9].as_slice()), (194, &[]), (258, &[7])];
        let script = script(&statement, &products).unwrap();
        for set in [
            "\\set product CASE WHEN :n < 1 THEN 130 ELSE CASE WHEN :n < 2 THEN 194 ELSE 258 END END\n",
            "\\set part CASE WHEN :n < 1 THEN 2 ELSE CASE WHEN :n < 2 THEN 2 ELSE 2 END END\n",
            "\\set id1 CASE WHEN :n < 1 THEN 9 ELSE CASE WHEN :n < 2 THEN 0 ELSE 0 END END\n",
        ] {
            assert!(script.contains(set), "{script}");
        }
        assert!(
            script.contains("unnest((ARRAY[:id0, :id1])[1 : :count]::bigint[], '{4,4}'::smallint[])"),
            "{script}"
        );
        assert!(!script.contains('$') && script.ends_with(";\n"), "{script}");
    }
}
