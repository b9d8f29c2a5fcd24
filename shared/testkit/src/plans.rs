//! Plans of statements, as the server carried them out: how many rows it really read, and by which
//! index. What `EXPLAIN` would say of a copied text may be another plan than the one of a prepared
//! statement, so the server is asked to tell every plan that it uses (`auto_explain`).

use crate::TestDatabase;
use serde_json::Value;
use sqlx::postgres::{PgPool, PgPoolOptions};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;

/// Where sqlx puts what a server says beside its answers.
const NOTICES: &str = "sqlx::postgres::notice";
/// Plans are told as notices, which go to the client and not to the server's log.
const TELL_PLANS: &str = "LOAD 'auto_explain';
    SET auto_explain.log_min_duration = 0; SET auto_explain.log_format = json; SET auto_explain.log_analyze = on;
    SET auto_explain.log_timing = off; SET auto_explain.log_nested_statements = off;
    SET auto_explain.log_level = notice; SET client_min_messages = notice";
/// How often a statement runs as services run it: the first five times the server plans for the
/// parameters that it is given, then it may keep a plan for any.
const RUNS: usize = 7;
/// Tables that grow with products or reviews, none of which a statement of a request may read through.
const GROWING: [&str; 7] =
    ["reviews", "characteristics", "product_stream", "event_log", "votes", "idempotency", "product_meta"];

/// A pool of one connection, whose plans are seen.
#[derive(Debug)]
pub struct Explained {
    pool: PgPool,
    told: Arc<Mutex<Vec<Value>>>,
    _listening: DefaultGuard,
}

/// Connects to a database as superuser. Plans are seen on the thread that this was called on: that of
/// the test, whose runtime must have no other.
pub async fn explained(database: &TestDatabase) -> Explained {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listening = registry().with(Listener(told.clone()));
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .after_connect(|connection, _| {
            Box::pin(async move { sqlx::raw_sql(TELL_PLANS).execute(connection).await.map(drop) })
        })
        .connect_lazy_with((*database.pool.connect_options()).clone());
    Explained { pool, told, _listening: tracing::subscriber::set_default(listening) }
}

impl Explained {
    /// Runs a function several times, and once more each with a plan for any parameters and one for just
    /// these. Returns the plans of its statement that begins with `-- name`.
    ///
    /// # Panics
    /// When the statement did not run each time.
    pub async fn plans(&self, name: &str, run: impl AsyncFn(&PgPool)) -> Plans {
        self.take(name);
        for _ in 0..RUNS {
            run(&self.pool).await;
        }
        for mode in ["force_generic_plan", "force_custom_plan"] {
            self.set(mode).await;
            run(&self.pool).await;
        }
        self.set("auto").await;
        let plans = self.take(name);
        assert!(plans.len() >= RUNS + 2, "only {} plans of {name} were told", plans.len());
        Plans { name: name.to_owned(), plans }
    }

    /// Another statement also fetches what the last one left unread.
    async fn set(&self, mode: &str) {
        sqlx::query("SELECT set_config('plan_cache_mode', $1, false)")
            .bind(mode)
            .execute(&self.pool)
            .await
            .expect("a setting");
    }

    /// Takes what was told, and returns the plans of a statement.
    fn take(&self, name: &str) -> Vec<Value> {
        let told = std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner));
        let first_line = format!("-- {name}\n");
        told.into_iter()
            .filter(|plan| plan["Query Text"].as_str().is_some_and(|text| text.starts_with(&first_line)))
            .map(|mut plan| plan["Plan"].take())
            .collect()
    }
}

/// The plans of one statement, each of which must keep what is asked of them.
#[derive(Debug)]
pub struct Plans {
    name: String,
    plans: Vec<Value>,
}

impl Plans {
    /// No table that grows is read from one end to the other.
    pub fn scan_no_table(&self) -> &Self {
        self.each(|nodes| {
            let scanned = nodes.iter().find(|node| {
                node["Node Type"] == "Seq Scan" && GROWING.iter().any(|table| node["Relation Name"] == *table)
            });
            scanned.map(|node| format!("reads all of {}", node["Relation Name"]))
        })
    }

    /// An index is used.
    pub fn use_index(&self, index: &str) -> &Self {
        self.each(|nodes| {
            let used = nodes.iter().any(|node| node["Index Name"] == index);
            (!used).then(|| format!("does not use {index}"))
        })
    }

    /// An index is entered where a condition says, which is given as the server writes it: the rows
    /// before it are not read.
    pub fn seek(&self, index: &str, condition: &str) -> &Self {
        self.each(|nodes| {
            let seeks = nodes.iter().filter(|node| node["Index Name"] == index).any(|node| {
                node["Index Cond"].as_str().is_some_and(|conditions| conditions.contains(condition))
            });
            (!seeks).then(|| format!("does not enter {index} at {condition}"))
        })
    }

    /// So many rows of a table are read, those that a filter drops among them.
    pub fn read_at_most(&self, table: &str, rows: i64) -> &Self {
        self.each(|nodes| {
            let scans = nodes
                .iter()
                .filter(|node| node["Relation Name"] == table && text(node, "Node Type").ends_with("Scan"));
            let read: i64 = scans.map(|node| rows_read(node)).sum();
            (read > rows).then(|| format!("reads {read} rows of {table}, not {rows}"))
        })
    }

    /// No more rows than these are sorted at once: a page is, a product's reviews are not.
    pub fn sort_at_most(&self, rows: i64) -> &Self {
        self.each(|nodes| {
            let sorts = nodes.iter().filter(|node| text(node, "Node Type").ends_with("Sort"));
            let most = sorts.map(|sort| children(sort).map(rows_out).sum()).max().unwrap_or(0);
            (most > rows).then(|| format!("sorts {most} rows, not {rows}"))
        })
    }

    fn each(&self, fault: impl Fn(&[&Value]) -> Option<String>) -> &Self {
        for (number, plan) in self.plans.iter().enumerate() {
            let mut nodes = Vec::new();
            gather(plan, &mut nodes);
            if let Some(fault) = fault(&nodes) {
                panic!("{}, run {}: {fault}\n{}", self.name, number + 1, outline(plan, 0));
            }
        }
        self
    }
}

/// A plan for people, a line each node.
fn outline(node: &Value, depth: usize) -> String {
    let told =
        ["Node Type", "Relation Name", "Index Name", "Index Cond", "Filter", "Sort Key", "Actual Rows"];
    let told = told.iter().filter(|key| !node[**key].is_null()).map(|key| node[*key].to_string());
    let line = format!("{:1$}{2}\n", "", depth * 2, told.collect::<Vec<_>>().join(" "));
    children(node).fold(line, |lines, child| lines + &outline(child, depth + 1))
}

/// All nodes of a plan.
fn gather<'a>(node: &'a Value, nodes: &mut Vec<&'a Value>) {
    nodes.push(node);
    children(node).for_each(|child| gather(child, nodes));
}

fn children(node: &Value) -> impl Iterator<Item = &Value> {
    node["Plans"].as_array().into_iter().flatten()
}

fn text<'a>(node: &'a Value, key: &str) -> &'a str {
    node[key].as_str().unwrap_or_default()
}

fn number(node: &Value, key: &str) -> i64 {
    node[key].as_i64().unwrap_or(0)
}

/// Rows that a node gave to the one above it. The server tells the mean of all its rounds.
fn rows_out(node: &Value) -> i64 {
    number(node, "Actual Rows") * number(node, "Actual Loops")
}

/// Rows that a scan looked at.
fn rows_read(node: &Value) -> i64 {
    let dropped = number(node, "Rows Removed by Filter") + number(node, "Rows Removed by Index Recheck");
    rows_out(node) + dropped * number(node, "Actual Loops")
}

/// Keeps the plans among the notices of a server.
#[derive(Debug)]
struct Listener(Arc<Mutex<Vec<Value>>>);

impl<S: Subscriber> Layer<S> for Listener {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == NOTICES
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let plan = message.0.split_once("plan:\n").and_then(|(_, plan)| serde_json::from_str(plan).ok());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(plan);
    }
}

/// The text of an event.
struct Message(String);

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
