//! `reviewsctl serve`: replays over HTTP, beside a projector, and the server told to stop in the middle of one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use primary::CommandLatency;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::admin::{PRODUCTS, Server, World};
use support::finished;
use testkit::{eventually, fold_of_log, products_of_meta};
use tokio::task::JoinHandle;
use uuid::Uuid;

const CURRENT: &str = "/admin/v1/replays/current";

/// Something that goes on until it is told to stop.
struct Working(Arc<AtomicBool>, JoinHandle<()>);

impl Working {
    fn begin<F: Future<Output = ()> + Send + 'static>(work: impl FnOnce(Arc<AtomicBool>) -> F) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        Working(ended.clone(), tokio::spawn(work(ended)))
    }

    async fn stop(self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.await.unwrap();
    }
}

/// Keeps meta up to date, as the projector does.
fn projector(world: &Arc<World>) -> Working {
    let world = world.clone();
    Working::begin(|ended| async move {
        while !ended.load(Ordering::Relaxed) {
            world.catch_up().await;
            tokio::task::yield_now().await;
        }
    })
}

/// What is said of work beside a [`slow_writer`].
const STANDS_BACK: &str = "waiting, live writes take longer than --max-write-p99";

/// Says that commands take so long that no replay goes on beside them.
async fn slow_writer(world: &World) -> Working {
    let ms = Duration::from_millis;
    let latency = CommandLatency { commands: 100, p50: ms(100), p99: ms(200), max: ms(300) };
    let (pool, writer) = (world.primary.pool_of("reviews_write"), Uuid::now_v7());
    primary::publish_write_latency(&pool, writer, &latency).await.unwrap();
    Working::begin(move |ended| async move {
        while !ended.load(Ordering::Relaxed) {
            primary::publish_write_latency(&pool, writer, &latency).await.unwrap();
            tokio::task::yield_now().await;
        }
        primary::forget_writers(&pool, Some(writer)).await.unwrap();
    })
}

async fn begun(server: &Server, body: Value) -> i64 {
    let (status, replay) = server.post("/admin/v1/replays", Some(body)).await;
    assert_eq!(status, 202, "{replay}");
    replay["generation"].as_i64().unwrap()
}

/// The replay of a generation, once it is as asked for.
async fn once(server: &Server, generation: i64, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/admin/v1/replays/{generation}");
    eventually(what, || async {
        let now = server.get(&path).await;
        assert_eq!(now["failure"], Value::Null, "{now}");
        is(&now).then_some(now)
    })
    .await
}

fn waits_for(doing: &str) -> impl Fn(&Value) -> bool {
    move |now| now["progress"]["doing"] == doing
}

async fn parts_of(world: &World, generation: i64) -> i64 {
    let parts = sqlx::query_scalar("SELECT count(*) FROM checkpoint WHERE generation = $1").bind(generation);
    parts.fetch_one(&world.meta.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_answers_afterwards_and_can_be_taken_back() {
    let world = Arc::new(World::new().await);
    let (server, projector) = (world.serve().await, projector(&world));
    let ahead = server.get("/admin/v1/replays/forecast?source=log&fresh=false").await;
    assert_eq!((&ahead["active"], &ahead["events"]), (&json!(1), &json!(2 * PRODUCTS)), "{ahead}");
    world.damage(3).await;
    let request = server.request(Method::POST, "/admin/v1/replays").send().await.unwrap();
    assert_eq!(
        (request.status().as_u16(), &request.headers()["location"]),
        (202, &"/admin/v1/replays/2".parse().unwrap())
    );
    let ended = once(&server, 2, "it is swapped in", |now| !now["result"].is_null()).await;
    assert_eq!((&ended["phase"], &ended["worked_at"]), (&json!("swapped"), &json!(false)), "{ended}");
    assert_eq!((&ended["result"]["differences"], &ended["result"]["source"]), (&json!(0), &json!("both")));
    assert_eq!(world.active().await, 2);
    assert_eq!(products_of_meta(&world.meta.pool).await, fold_of_log(&world.primary.pool).await);

    let (status, back) = server.post("/admin/v1/rollback", None).await;
    assert_eq!((status, &back["from"], &back["to"]), (200, &json!(2), &json!(1)), "{back}");
    assert_eq!(world.active().await, 1);
    server.post("/admin/v1/rollback", None).await;
    let generations = server.get("/admin/v1/generations").await;
    assert_eq!(generations[1]["active"], true, "{generations}");
    const PRUNE: &str = "/admin/v1/generations/prune";
    let (status, pruned) = server.post(PRUNE, Some(json!({ "keep_previous": true }))).await;
    assert_eq!((status, pruned), (200, json!({ "pruned": [] })));
    let (status, pruned) = server.post(PRUNE, None).await;
    assert_eq!((status, pruned), (200, json!({ "pruned": [1] })));

    let unswapped = begun(&server, json!({ "source": "log", "no_swap": true, "unthrottled": true })).await;
    let ready = once(&server, unswapped, "it is verified", |now| !now["result"].is_null()).await;
    assert_eq!((&ready["phase"], &ready["result"]["swap_ms"]), (&json!("ready"), &Value::Null), "{ready}");
    assert_eq!(world.active().await, 2);
    assert_eq!(server.get("/admin/v1/replays").await.as_array().unwrap().len(), 2);
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_it_waits_a_second_one_is_refused_and_cancelled_it_is_gone() {
    let world = Arc::new(World::new().await);
    let (server, projector) = (world.serve().await, projector(&world));
    let slow = slow_writer(&world).await;
    let generation = begun(&server, json!({ "source": "log" })).await;
    once(&server, generation, "it stands back", waits_for(STANDS_BACK)).await;
    let now = server.get(CURRENT).await;
    assert_eq!(
        (&now["generation"], &now["worked_at"], &now["total"]),
        (&json!(generation), &json!(true), &json!(2 * PRODUCTS))
    );
    assert_eq!(
        (&now["progress"]["unit"], &now["progress"]["total"]),
        (&json!("events"), &json!(2 * PRODUCTS))
    );

    let (status, problem) = server.post("/admin/v1/replays", None).await;
    assert_eq!((status, &problem["type"]), (409, &json!("/problems/conflict")), "{problem}");
    let other = world.serve().await;
    let (status, problem) = other.post("/admin/v1/replays", Some(json!({ "source": "log" }))).await;
    let busy = format!(
        "another process works at the replay of generation {generation}: follow it by `reviewsctl replay list`"
    );
    assert_eq!((status, &problem["detail"]), (409, &json!(busy)));

    // Asked of another server, it is this one that pauses.
    let (status, paused) = other.post(&format!("{CURRENT}/pause"), None).await;
    assert_eq!(
        (status, &paused["wanted"], &paused["progress"]),
        (200, &json!("pause"), &Value::Null),
        "{paused}"
    );
    once(&server, generation, "it is paused", waits_for("paused")).await;
    slow.stop().await;
    let held = once(&server, generation, "it is paused with nobody in its way", waits_for("paused")).await;
    assert_eq!(held["phase"], "building");
    let (status, _) = other.post(&format!("{CURRENT}/resume"), None).await;
    assert_eq!(status, 202);
    once(&server, generation, "it has ended", |now| now["phase"] == "swapped").await;

    let slow = slow_writer(&world).await;
    let generation = begun(&server, json!({})).await;
    once(&server, generation, "it stands back", waits_for(STANDS_BACK)).await;
    let (status, cancelled) = server.post(&format!("{CURRENT}/cancel"), None).await;
    assert_eq!((status, &cancelled["phase"]), (200, &json!("cancelled")), "{cancelled}");
    assert_eq!(parts_of(&world, generation).await, 0);
    let ended = eventually("the server knows", || async {
        let now = server.get(&format!("/admin/v1/replays/{generation}")).await;
        now["failure"]["detail"].as_str().map(str::to_owned)
    })
    .await;
    assert_eq!(ended, format!("the replay of generation {generation} was cancelled: meta answers as before"));
    assert_eq!(server.ask(Method::GET, CURRENT, None).await.0, 404);
    slow.stop().await;
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_in_the_middle_another_goes_on_with_it() {
    let world = Arc::new(World::new().await);
    let (server, projector) = (world.serve().await, projector(&world));
    let slow = slow_writer(&world).await;
    let generation = begun(&server, json!({ "source": "both" })).await;
    once(&server, generation, "it stands back", waits_for(STANDS_BACK)).await;
    assert!(server.terminate().await.success());

    let next = world.serve().await;
    let left = eventually("nobody works at it", || async {
        let now = next.get(CURRENT).await;
        (now["worked_at"] == false).then_some(now)
    })
    .await;
    assert_eq!((&left["generation"], &left["phase"]), (&json!(generation), &json!("building")), "{left}");
    slow.stop().await;
    let (status, resumed) =
        next.post(&format!("{CURRENT}/resume"), Some(json!({ "unthrottled": true }))).await;
    assert_eq!((status, &resumed["generation"]), (202, &json!(generation)), "{resumed}");
    let ended = once(&next, generation, "it has ended", |now| !now["result"].is_null()).await;
    assert_eq!((&ended["phase"], &ended["result"]["resumed"]), (&json!("swapped"), &json!(true)), "{ended}");
    assert_eq!(i64::from(world.active().await), generation);
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_verification_at_a_time_stands_back_for_live_writers() {
    const VERIFICATIONS: &str = "/admin/v1/verifications";
    let world = World::new().await;
    let server = world.serve().await;
    let slow = slow_writer(&world).await;
    let (status, begun) = server.post(VERIFICATIONS, None).await;
    assert_eq!((status, &begun["state"]), (202, &json!("running")), "{begun}");
    let (status, problem) = server.post(VERIFICATIONS, Some(json!({ "sample": 1 }))).await;
    assert_eq!((status, &problem["type"]), (409, &json!("/problems/conflict")), "{problem}");
    slow.stop().await;
    let ended = eventually("it ends", || async {
        let now = server.get(&format!("{VERIFICATIONS}/current")).await;
        (now["state"] != "running").then_some(now)
    })
    .await;
    assert_eq!(
        (&ended["result"]["products"], &ended["progress"]),
        (&json!(PRODUCTS), &Value::Null),
        "{ended}"
    );
}

/// What a terminal begins, the server sees, and the other way round: they are the same replays.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_and_the_server_tell_the_same() {
    let world = Arc::new(World::new().await);
    let (server, projector) = (world.serve().await, projector(&world));
    let generation = begun(&server, json!({ "no_swap": true })).await;
    once(&server, generation, "it is verified", |now| !now["result"].is_null()).await;
    let mut command = support::reviewsctl();
    command.env("PRIMARY_URL", support::url(&world.primary)).env("META_URL", support::url(&world.meta));
    command.args(["replay", "list", "--json"]);
    let said: Value = serde_json::from_slice(&finished(command).await.stdout).unwrap();
    let told = server.get("/admin/v1/replays").await;
    let told = told[0].as_object().unwrap();
    for (name, value) in said[0].as_object().unwrap() {
        assert_eq!(told.get(name), Some(value), "{name}");
    }
    projector.stop().await;
}
