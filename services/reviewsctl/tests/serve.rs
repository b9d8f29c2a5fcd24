//! `reviewsctl serve`: who is let in, what cannot be taken, and how it starts.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use support::admin::{Server, TOKEN, World, answer};
use support::{finished, reviewsctl, rows, stderr};

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
    // In words of ours: what it is about, what was found, what is allowed.
    for (path, body, detail) in [
        (
            "replays",
            json!({ "source": "backup" }),
            "the field source must be log, snapshot or both, not \"backup\"",
        ),
        ("replays", json!({ "with_parked": 1 }), "the field with_parked must be true or false, not 1"),
        (
            "replays",
            json!({ "with_parked": true, "no_swap": true }),
            "no_swap and with_parked exclude each other: give one of them",
        ),
        (
            "verifications",
            json!({ "max_write_p99_ms": 0 }),
            "the field max_write_p99_ms must be a whole number from 1, not 0",
        ),
        ("exports", json!({}), "the field email is missing: it must be a text"),
        (
            "generations/prune",
            json!({ "keep": true }),
            "the body has a field \"keep\", which is not known: it may have keep_previous",
        ),
    ] {
        let (status, problem) = server.post(&format!("/admin/v1/{path}"), Some(body)).await;
        assert_eq!((status, &problem["detail"]), (422, &json!(detail)), "{problem}");
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
    assert!(said.starts_with("reviewsctl: ADMIN_LISTEN must be ADDRESS:PORT, not \"8090\": "), "{said}");
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
