//! `reviewsctl serve`: who is let in, and what each request but those of replays does, on real servers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use broker::{Message, Publisher, Subscription};
use reqwest::Method;
use serde_json::{Value, json};
use support::admin::{PRODUCTS, Server, TOKEN, World, answer};
use support::{finished, reviewsctl, rows, stderr};
use testkit::{assert_log_is_whole, broker_host, eventually, fold_of_log, products_of_meta};

/// One path of each kind.
const PATHS: [(Method, &str); 6] = [
    (Method::GET, "/admin/v1/status"),
    (Method::POST, "/admin/v1/replays"),
    (Method::POST, "/admin/v1/erasures"),
    (Method::GET, "/admin/openapi.json"),
    (Method::PUT, "/admin/v1/status"),
    (Method::GET, "/nothing"),
];

#[tokio::test]
async fn nobody_is_let_in_without_the_token() {
    let world = World::new().await;
    let server = world.serve().await;
    let nearly = format!("Bearer {}", &TOKEN[1..]);
    let wrong = [None, Some(""), Some("Bearer"), Some("Bearer "), Some(&nearly), Some("Basic Og==")];
    for (method, path) in PATHS {
        for token in wrong {
            let request = server.bare(method.clone(), path);
            let request = match token {
                Some(token) => request.header("authorization", token),
                None => request,
            };
            let refused = request.send().await.unwrap();
            assert_eq!(refused.status(), 401, "{method} {path} {token:?}");
            let headers = refused.headers().clone();
            assert_eq!(headers["www-authenticate"], "Bearer");
            assert_eq!(headers["content-type"], "application/problem+json");
            assert_eq!(headers["cache-control"], "no-store");
            assert!(headers.contains_key("x-request-id"));
            let problem: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
            assert_eq!(
                problem,
                json!({
                    "type": "/problems/unauthorized", "title": "Unauthorized", "status": 401,
                    "detail": "this needs the header Authorization: Bearer TOKEN, with the token that the service was given",
                })
            );
        }
    }
    let text = |path| server.bare(Method::GET, path).send();
    assert_eq!(text("/livez").await.unwrap().status(), 200);
    assert_eq!(text("/readyz").await.unwrap().text().await.unwrap(), "ok\n");
    let log = server.log();
    assert!(log.contains("a request without the right token was refused"), "{log}");
    assert!(!log.contains(&TOKEN[1..]), "{log}");
    assert_eq!(server.get("/admin/v1/replays").await, json!([]), "nothing was begun");
}

#[tokio::test]
async fn pages_and_other_names_are_turned_away_even_with_the_token() {
    let world = World::new().await;
    let server = world.serve().await;
    let with = |name: &'static str, value: &'static str, path: &'static str| {
        answer(server.request(Method::GET, path).header(name, value))
    };
    for path in ["/admin/v1/status", "/livez"] {
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("host", "evil.example"),
            ("host", "10.0.0.7:8090"),
        ] {
            let (status, problem) = with(name, value, path).await;
            assert_eq!((status, &problem["type"]), (403, &json!("/problems/forbidden")), "{name}: {value}");
        }
    }
    assert_eq!(with("host", "localhost:1", "/livez").await.0, 200);
    let preflight =
        server.bare(Method::OPTIONS, "/admin/v1/replays").header("origin", "https://evil.example");
    let refused = preflight.send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.headers().keys().all(|name| !name.as_str().starts_with("access-control-")));
}

#[tokio::test]
async fn what_cannot_be_taken_is_a_problem() {
    let world = World::new().await;
    let server = world.serve().await;
    let sent = |body: &'static str, kind: &'static str| {
        answer(server.request(Method::POST, "/admin/v1/erasures").header("content-type", kind).body(body))
    };
    let json = "application/json";
    for (status, answered) in [
        (400, sent("{", json).await),
        (415, sent("reviews=1", "application/x-www-form-urlencoded").await),
        (415, sent("{\"reviews\":[1]}", "text/plain").await),
        (422, sent("{\"reviews\":[0]}", json).await),
        (422, sent("{\"reviews\":[]}", json).await),
        (422, sent("{\"reviews\":[1],\"email\":\"a@x\"}", json).await),
        (422, sent("{\"emails\":\"a@x\"}", json).await),
        (422, sent("{\"email\":\" \"}", json).await),
        (422, sent("[]", json).await),
        (422, server.post("/admin/v1/erasures", None).await),
        (422, server.post("/admin/v1/exports", None).await),
        (422, server.post("/admin/v1/products/0/rebuild", None).await),
        (422, server.post("/admin/v1/verifications", Some(json!({ "sample": 0 }))).await),
        (422, server.post("/admin/v1/replays", Some(json!({ "source": "backup" }))).await),
        (
            422,
            server
                .post("/admin/v1/replays", Some(json!({ "unthrottled": true, "max_write_p99_ms": 5 })))
                .await,
        ),
        (422, server.ask(Method::GET, "/admin/v1/replays/forecast?source=", None).await),
        (422, server.ask(Method::GET, "/admin/v1/replays/x", None).await),
        (422, server.ask(Method::GET, "/admin/v1/reviews/x/way", None).await),
        (404, server.ask(Method::GET, "/admin/v1/reviews/999999/way", None).await),
        (404, server.ask(Method::GET, "/admin/v1/replays/current", None).await),
        (404, server.ask(Method::GET, "/admin/v1/verifications/current", None).await),
        (404, server.ask(Method::GET, "/admin/v1/parked/999999", None).await),
        (404, server.ask(Method::GET, "/admin/v1/nothing", None).await),
        (404, server.post("/admin/v1/products/999999/rebuild", None).await),
        (404, server.post("/admin/v1/parked/1/discard", None).await),
        (404, server.post("/admin/v1/replays/current/pause", None).await),
        (404, server.post("/admin/v1/replays/current/resume", None).await),
        (404, server.post("/admin/v1/replays/current/cancel", None).await),
        (405, server.ask(Method::PUT, "/admin/v1/replays", None).await),
        (405, server.ask(Method::DELETE, "/admin/v1/parked", None).await),
        (409, server.post("/admin/v1/rollback", None).await),
        (409, server.post("/admin/v1/replays", Some(json!({ "fresh": true }))).await),
        (413, answer(server.request(Method::POST, "/admin/v1/exports").body("x".repeat(300_000))).await),
        // Nothing listens where the broker should be.
        (503, server.ask(Method::GET, "/admin/v1/dead-letters", None).await),
    ] {
        let (found, problem) = answered;
        assert_eq!((found, &problem["status"]), (status, &json!(status)), "{problem}");
        assert!(problem["type"].as_str().unwrap().starts_with("/problems/"), "{problem}");
    }
    let wrong = server.request(Method::PUT, "/admin/v1/replays").send().await.unwrap();
    assert_eq!(wrong.headers()["allow"], "GET,HEAD,POST");
    assert_eq!(rows(&world.primary.pool, "SELECT action FROM audit").await, [""; 0]);
}

#[tokio::test]
async fn a_start_without_what_it_needs_says_the_mend_in_one_line() {
    let world = World::new().await;
    let started = async |name: &str, value: &str, without: Option<&str>| {
        let mut command = world.command();
        command.env(name, value);
        if let Some(without) = without {
            command.env_remove(without);
        }
        let output = finished(command).await;
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        assert_eq!(said.lines().count(), 1, "{said}");
        said
    };
    let said = started("ADMIN_TOKEN", "", None).await;
    assert!(said.starts_with("reviewsctl: neither ADMIN_TOKEN nor ADMIN_TOKEN_FILE is set, "), "{said}");
    let said = started("ADMIN_TOKEN", "short", None).await;
    assert!(said.contains("must be at least 32 visible ASCII characters: make a new one"), "{said}");
    assert!(!said.contains("short"), "{said}");
    let said = started("ADMIN_TOKEN_FILE", "/nowhere", Some("ADMIN_TOKEN")).await;
    assert!(said.starts_with("reviewsctl: cannot read ADMIN_TOKEN_FILE, /nowhere: "), "{said}");
    let said = started("ADMIN_LISTEN", "8090", None).await;
    assert_eq!(said, "reviewsctl: ADMIN_LISTEN must be ADDRESS:PORT, not \"8090\"\n");
    let server = world.serve().await;
    let said = started("ADMIN_LISTEN", &server.address, None).await;
    assert!(said.contains("or set ADMIN_LISTEN to another port: Address already in use"), "{said}");
}

#[tokio::test]
async fn other_addresses_are_listened_on_with_a_warning_and_it_can_be_asked_whether_it_is_ready() {
    let world = World::new().await;
    let mut command = world.command();
    command.env("ADMIN_LISTEN", "0.0.0.0:0");
    let server = Server::start(command).await;
    assert!(server.log().contains("the admin API can be reached from other machines"), "{}", server.log());
    let port = server.address.rsplit_once(':').unwrap().1.to_owned();
    let by_name = server.request(Method::GET, "/admin/v1/generations").header("host", "admin:8090");
    assert_eq!(answer(by_name).await.0, 200);
    let healthcheck = |port: &str| {
        let mut command = reviewsctl();
        command.env("ADMIN_LISTEN", format!("0.0.0.0:{port}")).args(["serve", "healthcheck"]);
        finished(command)
    };
    assert!(healthcheck(&port).await.status.success());
    assert!(server.terminate().await.success(), "told to stop, it ends well");
    assert_eq!(healthcheck(&port).await.status.code(), Some(1));
}

#[tokio::test]
async fn how_it_all_is_and_where_a_review_is() {
    let world = World::new().await;
    let server = world.serve().await;
    let status = server.get("/admin/v1/status").await;
    assert_eq!(status["projection"]["is"]["generation"], 1);
    assert_eq!(status["lag"]["is"]["events"], 0);
    assert!(status["queues"]["away"].as_str().unwrap().starts_with("the broker is away ("), "{status}");
    let id = world.post(5).await;
    let way = server.get(&format!("/admin/v1/reviews/{id}/way")).await;
    assert_eq!((&way["row"]["is"]["product"], &way["arrived"]), (&json!(5), &json!(false)), "{way}");
    world.catch_up().await;
    let way = server.get(&format!("/admin/v1/reviews/{id}/way")).await;
    assert_eq!((&way["arrived"], &way["says"]), (&json!(true), &json!("arrived: meta shows it")), "{way}");
    let document = server.get("/admin/openapi.json").await;
    assert_eq!(document["info"]["title"], "Reviews: admin");
}

/// Asks for a verification and waits until it has ended.
async fn verified(server: &Server, body: Value) -> Value {
    let (status, begun) = server.post("/admin/v1/verifications", Some(body)).await;
    assert_eq!(status, 202, "{begun}");
    let ended = eventually("the verification ends", || async {
        let now = server.get("/admin/v1/verifications/current").await;
        (now["state"] != "running").then_some(now)
    })
    .await;
    assert_eq!((&ended["state"], &ended["failure"]), (&json!("ended"), &Value::Null), "{ended}");
    ended["result"].clone()
}

#[tokio::test]
async fn a_verification_says_what_differs_and_mends_it() {
    let world = World::new().await;
    let server = world.serve().await;
    let well = verified(&server, json!({})).await;
    assert_eq!((&well["products"], &well["differences"]), (&json!(PRODUCTS), &json!(0)), "{well}");
    world.damage(3).await;
    world.damage(7).await;
    let found = verified(&server, json!({ "unthrottled": true })).await;
    assert_eq!((&found["differences"], &found["repaired"]), (&json!(2), &json!([])), "{found}");
    assert_eq!(
        (&found["differing"][0]["product"], &found["differing"][1]["product"]),
        (&json!(3), &json!(7))
    );
    let (status, rebuilt) = server.post("/admin/v1/products/3/rebuild", None).await;
    assert_eq!(
        (status, &rebuilt["version"], &rebuilt["parked"]),
        (200, &json!(2), &Value::Null),
        "{rebuilt}"
    );
    let mended = verified(&server, json!({ "sample": 1_000, "repair": true })).await;
    assert_eq!((&mended["differences"], &mended["repaired"]), (&json!(1), &json!([7])), "{mended}");
    assert_eq!(products_of_meta(&world.meta.pool).await, fold_of_log(&world.primary.pool).await);
}

#[tokio::test]
async fn what_stands_still_is_shown_redriven_and_given_up() {
    let world = World::new().await;
    let server = world.serve().await;
    for id in [3, 4] {
        world.poison(id).await;
    }
    world.post(3).await;
    world.catch_up().await;
    let parked = server.get("/admin/v1/parked").await;
    let products = parked["products"].as_array().unwrap();
    assert_eq!(products.iter().map(|p| &p["product"]).collect::<Vec<_>>(), [&json!(3), &json!(4)]);
    assert!(parked["dead_letters"]["away"].is_string(), "{parked}");
    let shown = server.get("/admin/v1/parked/3").await;
    assert_eq!(shown["generations"][0]["parked"]["event"]["type"], "ReviewPraised.v1", "{shown}");
    let (status, in_vain) = server.post("/admin/v1/parked/redrive", None).await;
    assert_eq!((status, &in_vain["going_on"], &in_vain["standing_still"]), (200, &json!(0), &json!(2)));
    let (status, given_up) = server.post("/admin/v1/parked/3/discard", None).await;
    assert_eq!((status, &given_up["before"], &given_up["version"]), (200, &json!(false), &json!(4)));
    assert_eq!((&given_up["given_up"]["product"], &given_up["parked"]), (&json!(3), &json!([])));
    // Somebody mends what the other stands still for.
    let damage = "UPDATE event_log SET type = 'ReviewReported.v1', payload = '{\"review_id\": 4}'
                  WHERE product_id = 4 AND type = 'ReviewPraised.v1'";
    sqlx::query(damage).execute(&world.primary.pool).await.unwrap();
    let (status, redriven) = server.post("/admin/v1/parked/4/redrive", None).await;
    assert_eq!((status, &redriven["going_on"], &redriven["standing_still"]), (200, &json!(1), &json!(0)));
    assert_eq!(redriven["products"][0]["was_parked"], true);
    assert_eq!(server.get("/admin/v1/parked").await["products"], json!([]));
}

#[tokio::test]
async fn dead_letters_are_shown_and_thrown_away() {
    let host = broker_host().await;
    let world = World { broker: host.url.clone(), ..World::new().await };
    let server = world.serve().await;
    let epoch = primary::log_epoch(&world.primary.pool).await.unwrap();
    let message = Message { queue: "meta.0".to_owned(), epoch, body: b"garbage".to_vec() };
    let publisher = Publisher::connect(&host.address, "test").await.unwrap();
    publisher.publish(&[message]).await.unwrap();
    let mut subscription = Subscription::connect(&host.address, "test").await.unwrap();
    subscription.next().await.unwrap().reject().await.unwrap();
    subscription.close().await;
    let letter = eventually("a dead letter", || async {
        let letters = server.get("/admin/v1/dead-letters").await;
        (letters["count"] == 1).then(|| letters["letters"][0].clone())
    })
    .await;
    assert_eq!((&letter["queue"], &letter["bytes"]), (&json!("meta.0"), &json!(7)), "{letter}");
    let (status, thrown) = eventually("it is back in its queue", || async {
        let (status, thrown) = server.ask(Method::DELETE, "/admin/v1/dead-letters", None).await;
        (thrown["thrown_away"] == 1).then_some((status, thrown))
    })
    .await;
    assert_eq!((status, thrown), (200, json!({ "thrown_away": 1 })));
    assert_eq!(server.get("/admin/v1/dead-letters").await["count"], 0);
}

#[tokio::test]
async fn what_is_held_of_a_person_is_given_out_and_erased_and_no_log_has_the_address() {
    let world = World::new().await;
    let server = world.serve().await;
    let asked = json!({ "email": "R@Example.com" });
    let (status, held) = server.post("/admin/v1/exports", Some(asked.clone())).await;
    assert_eq!((status, &held["email"]), (200, &json!("R@Example.com")));
    assert_eq!(held["reviews"].as_array().unwrap().len(), usize::try_from(PRODUCTS).unwrap());
    assert_eq!(held["reviews"][0]["body"], "A review.");
    let first = held["reviews"][0]["review_id"].clone();

    let (status, erased) =
        server.post("/admin/v1/erasures", Some(json!({ "reviews": [first, 999_999, first] }))).await;
    assert_eq!((status, &erased["erased"], &erased["unknown"]), (200, &json!(1), &json!(1)), "{erased}");
    assert_eq!(erased["reviews"][1], json!({ "review_id": 999_999, "outcome": "unknown" }));
    let (status, erased) = server.post("/admin/v1/erasures", Some(asked.clone())).await;
    assert_eq!((status, &erased["erased"]), (200, &json!(PRODUCTS - 1)), "{erased}");
    let left = "SELECT row_to_json(r)::text FROM reviews r WHERE body <> '' OR reviewer_email <> ''";
    assert_eq!(rows(&world.primary.pool, left).await, [""; 0]);
    world.catch_up().await;
    assert_log_is_whole(&world.primary.pool).await;
    let metas = products_of_meta(&world.meta.pool).await;
    assert!(metas.values().all(|meta| meta.ratings == [0; 5]), "{metas:?}");
    let (_, held) = server.post("/admin/v1/exports", Some(asked)).await;
    assert_eq!(held["reviews"], json!([]));

    let audited =
        "SELECT concat_ws(' ', action, cardinality(review_ids), subject IS NOT NULL) FROM audit ORDER BY id";
    assert_eq!(
        rows(&world.primary.pool, audited).await,
        ["export 10 t", "erase 2 f", "erase 9 t", "export 0 t"]
    );
    let way = "SELECT DISTINCT right(os_user, 18) FROM audit";
    assert_eq!(rows(&world.primary.pool, way).await, [", by the admin API"]);
    let log = server.log();
    assert!(log.contains("admin.action=\"erase\" reviews=2 by_address=false"), "{log}");
    assert!(!log.to_lowercase().contains("example"), "{log}");
}
