//! The front door's promises, each tried on a real NGINX running the project's template as a user without
//! privileges, before upstreams that misbehave as told.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers are test code too")]

mod support_nginx;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use support_nginx::{Answer, Behaviour, Door, PATIENCE, READ_TIMEOUT_S, ReservedPort, Seen, Upstream};
use support_nginx::{send, send_from, wait_until};

const BODY_BYTES_MAX: usize = 256 * 1024;

const EXPOSED: &str =
    "ETag, Link, Location, Consistency-Token, Preference-Applied, Retry-After, X-Request-Id";

fn request(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
}

fn request_with_body(method: &str, target: &str, bytes: usize) -> String {
    let body = "x".repeat(bytes);
    format!(
        "{method} {target} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n{body}"
    )
}

/// A body in chunks of `chunk` bytes.
fn request_in_chunks(target: &str, bytes: usize, chunk: usize) -> String {
    let mut text = format!(
        "POST {target} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let mut left = bytes;
    while left > 0 {
        let size = left.min(chunk);
        text.push_str(&format!("{size:x}\r\n{}\r\n", "x".repeat(size)));
        left -= size;
    }
    text.push_str("0\r\n\r\n");
    text
}

fn ports<const N: usize>() -> [ReservedPort; N] {
    std::array::from_fn(|_| ReservedPort::new())
}

fn start<const N: usize>(name: &str, ports: &[ReservedPort; N], behaviour: &Behaviour) -> [Upstream; N] {
    std::array::from_fn(|i| Upstream::start(&format!("{name}-{}", i + 1), &ports[i], behaviour.clone()))
}

fn all_seen(upstreams: &[Upstream]) -> Vec<Seen> {
    upstreams.iter().flat_map(Upstream::seen).collect()
}

/// NGINX's own answer: a problem document with the CORS headers, a request id, and nothing about NGINX.
fn assert_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.one("content-type"), "application/problem+json");
    let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let mut members: Vec<_> = problem.as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(members, ["detail", "status", "title", "type"]);
    assert_eq!(problem["status"], status);
    let slug = problem["type"].as_str().unwrap().strip_prefix("/problems/").unwrap();
    assert!(slug.bytes().all(|b| b == b'-' || b.is_ascii_lowercase()), "{slug}");
    assert!(
        !problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty()
    );
    assert_own(answer);
    let again_later = [429, 502, 503, 504].contains(&status);
    assert_eq!(answer.all("retry-after"), if again_later { vec!["1"] } else { vec![] });
}

fn assert_own(answer: &Answer) {
    assert_eq!(answer.one("access-control-allow-origin"), "*");
    assert_eq!(answer.one("access-control-expose-headers"), EXPOSED);
    assert_eq!(answer.one("x-request-id").len(), 32);
    assert_eq!(answer.all("vary"), [""; 0]);
    assert_eq!(answer.one("cache-control"), "no-store");
    assert_eq!(answer.all("server"), ["nginx"], "no version");
}

#[test]
fn a_command_whose_server_dies_is_never_sent_to_a_second_one() {
    for behaviour in [Behaviour::DiesAfterRequest, Behaviour::DiesInsideAnswer, Behaviour::DiesAtOnce] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let writer_ports = ports::<2>();
            let writers = start("write", &writer_ports, &behaviour);
            let reader_port = ReservedPort::new();
            let readers = [Upstream::start("read", &reader_port, Behaviour::Answers)];
            let door = Door::open(&[&writer_ports[0], &writer_ports[1]], &[&reader_port]);

            let answer = send(door.port.number, request_with_body(method, "/reviews/helpful/7", 20));

            assert_problem(&answer, 502);
            let tried: usize = writers.iter().map(Upstream::connections).sum();
            assert_eq!(tried, 1, "{method} to servers of the kind {behaviour:?}");
            let whole = usize::from(!matches!(behaviour, Behaviour::DiesAtOnce));
            assert_eq!(all_seen(&writers).len(), whole, "{method} to servers of the kind {behaviour:?}");
            assert_eq!(all_seen(&readers).len(), 0);
        }
    }
}

#[test]
fn a_command_that_is_not_answered_in_time_is_never_sent_to_a_second_one() {
    let writer_ports = ports::<2>();
    let writers = start("write", &writer_ports, &Behaviour::NeverAnswers);
    let door = Door::open(&[&writer_ports[0], &writer_ports[1]], &[&ReservedPort::new()]);

    let started = Instant::now();
    let answer = send(door.port.number, request("PUT", "/reviews/7/helpful"));

    assert_problem(&answer, 504);
    assert!(started.elapsed() < Duration::from_secs(READ_TIMEOUT_S) + PATIENCE / 2);
    assert_eq!(all_seen(&writers).len(), 1);
}

/// The admin API has a listener of its own, which NGINX knows nothing of.
#[test]
fn the_admin_api_is_not_reached_through_the_front_door() {
    let (writer_port, reader_port) = (ReservedPort::new(), ReservedPort::new());
    let writers = [Upstream::start("write", &writer_port, Behaviour::Answers)];
    let readers = [Upstream::start("read", &reader_port, Behaviour::Answers)];
    let door = Door::open(&[&writer_port], &[&reader_port]);
    let paths = [
        "/admin",
        "/admin/v1/status",
        "/admin/v1/erasures",
        "/admin/openapi.json",
        "//admin/v1/status",
        "/%61dmin/v1/status",
        "/ADMIN/v1/status",
        "/x/../admin/v1/status",
        "/livez",
        "/readyz",
    ];
    for method in ["GET", "POST", "DELETE"] {
        for path in paths {
            assert_problem(&send(door.port.number, request(method, path)), 404);
        }
    }
    assert_eq!(all_seen(&writers).len() + all_seen(&readers).len(), 0);
    let template = include_str!("../../nginx/nginx.conf.template");
    let upstreams: Vec<&str> = template
        .lines()
        .filter_map(|line| line.trim().strip_prefix("upstream ").and_then(|rest| rest.strip_suffix(" {")))
        .collect();
    assert_eq!(upstreams, ["write", "read"]);
    let passed: Vec<&str> =
        template.lines().filter_map(|line| line.trim().strip_prefix("proxy_pass ")).collect();
    assert_eq!(passed, ["http://read$sent_uri;", "http://read$sent_uri;", "http://write$sent_uri;"]);
}

/// An answer of a reader's, with one more header line.
fn meta_answer(more: &str) -> Behaviour {
    Behaviour::AnswersBytes(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-cache\r\nETag: \"a\"\r\nVary: Accept-Encoding\r\n\
         {more}Content-Length: 2\r\n\r\n{{}}"
    ))
}

fn request_with(target: &str, header: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n{header}\r\n\r\n")
}

/// How many of so many requests came to the reader.
fn passed_on(door: &Door, reader: &Upstream, request: &str, requests: usize) -> usize {
    let before = reader.seen().len();
    for _ in 0..requests {
        let answer = send(door.port.number, request);
        assert!([200, 304].contains(&answer.status), "{answer:?}");
        assert_eq!(answer.one("cache-control"), "no-cache");
        assert_eq!(answer.one("x-request-id").len(), 32);
    }
    reader.seen().len() - before
}

#[test]
fn without_a_micro_cache_every_read_comes_to_a_reader() {
    let port = ReservedPort::new();
    let reader = Upstream::start("read", &port, meta_answer(""));
    let door = Door::open(&[&ReservedPort::new()], &[&port]);
    assert_eq!(passed_on(&door, &reader, &request("GET", "/reviews/5/meta"), 100), 100);
}

#[test]
fn the_micro_cache_keeps_hot_metas_for_a_moment_and_nothing_else() {
    let port = ReservedPort::new();
    let reader = Upstream::start("read", &port, meta_answer(""));
    let door = Door::open_with_meta_cache(&[&port]);
    for target in
        ["/reviews/5/list", "/reviews?product_id=5", "/reviews/5", "/reviews/5/jsonld", "/reviews/5/metas"]
    {
        assert_eq!(passed_on(&door, &reader, &request("GET", target), 60), 60, "{target}");
    }
    for target in ["/reviews/5/meta", "/reviews/meta?product_id=6", "/reviews/7/meta/"] {
        let hot = request("GET", target);
        let first = passed_on(&door, &reader, &hot, 49);
        assert_eq!(first, 49, "{target}: what is asked for a few times is not kept");
        // However slow this machine is: no second passes without a request that NGINX answers itself.
        assert!(wait_until(|| passed_on(&door, &reader, &hot, 20) < 20), "{target} is kept by nobody");
        for own in [
            "Consistency-Token: 1.2.3",
            "Consistency-Token: 0",
            "If-Match: \"x\"",
            "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
            "Range: bytes=0-0",
        ] {
            assert_eq!(passed_on(&door, &reader, &request_with(target, own), 20), 20, "{target}: with {own}");
        }
        for other in ["Accept-Encoding: gzip", "Origin: https://shop.example"] {
            let other = request_with(target, other);
            assert_eq!(passed_on(&door, &reader, &other, 1), 1, "{target} is kept for another: {other}");
        }
        // It knows whether a client has it already.
        let known = request_with(target, "If-None-Match: \"a\"");
        assert!(wait_until(|| send(door.port.number, &known).status == 304), "{target}: 304");
        // And it is asked for again, at the latest in the second after the next.
        let came = reader.seen().len();
        let again = || {
            send(door.port.number, &hot);
            reader.seen().len() > came
        };
        assert!(wait_until(again), "{target} is kept for ever");
    }
}

#[test]
fn the_micro_cache_keeps_no_answer_that_is_not_up_to_date_and_none_to_a_token() {
    let port = ReservedPort::new();
    let warns = meta_answer("Warning: 199 - \"this product's meta is not up to date\"\r\n");
    let reader = Upstream::start("read", &port, warns);
    let door = Door::open_with_meta_cache(&[&port]);
    assert_eq!(passed_on(&door, &reader, &request("GET", "/reviews/5/meta"), 120), 120);
    drop(reader);
    let reader = Upstream::start("read", &port, meta_answer(""));
    let token = request_with("/reviews/6/meta", "Consistency-Token: 1.2.3");
    assert_eq!(passed_on(&door, &reader, &token, 120), 120);
    // What those would have left there.
    assert_eq!(passed_on(&door, &reader, &request("GET", "/reviews/6/meta"), 1), 1);
    // What is kept is the same for HEAD, without its body.
    let hot = request("GET", "/reviews/8/meta");
    assert!(wait_until(|| passed_on(&door, &reader, &hot, 20) < 20));
    let head = send(door.port.number, request("HEAD", "/reviews/8/meta"));
    assert_eq!((head.status, head.one("content-length"), head.body.as_str()), (200, "2", ""));
}

#[test]
fn a_dead_writer_is_passed_over_after_one_refusal() {
    let writer_ports = ports::<2>();
    let alive = Upstream::start("write", &writer_ports[0], Behaviour::Answers);
    let door = Door::open(&[&writer_ports[0], &writer_ports[1]], &[&ReservedPort::new()]);

    let started = Instant::now();
    let statuses: Vec<u16> =
        (0..10).map(|_| send(door.port.number, request("POST", "/reviews/2")).status).collect();

    let refused = statuses.iter().filter(|status| **status == 502).count();
    // One to find it dead, and one more for each second that has passed since.
    let refused_max = 2 + usize::try_from(started.elapsed().as_secs()).unwrap();
    assert!((1..=refused_max).contains(&refused), "{statuses:?}");
    assert_eq!(alive.seen().len(), 10 - refused);
}

#[test]
fn a_read_whose_server_dies_is_answered_by_another() {
    for behaviour in [Behaviour::DiesAfterRequest, Behaviour::DiesInsideAnswer, Behaviour::DiesAtOnce] {
        let reader_ports = ports::<2>();
        let dying = Upstream::start("dying", &reader_ports[0], behaviour.clone());
        let alive = Upstream::start("alive", &reader_ports[1], Behaviour::Answers);
        let door = Door::open(&[&ReservedPort::new()], &[&reader_ports[0], &reader_ports[1]]);

        for product in 1..=40 {
            let answer = send(door.port.number, request("GET", &format!("/reviews/{product}/list")));
            assert_eq!((answer.status, answer.body.as_str()), (200, "alive"), "{behaviour:?}");
        }
        assert!(dying.connections() > 0, "the dying one was asked too");
        assert_eq!(alive.seen().len(), 40);
    }
}

#[test]
fn a_read_asks_three_servers_at_most() {
    let reader_ports = ports::<4>();
    let readers = start("read", &reader_ports, &Behaviour::DiesAfterRequest);
    let door = Door::open(&[&ReservedPort::new()], &reader_ports.each_ref());

    assert_problem(&send(door.port.number, request("GET", "/reviews/2/meta")), 502);

    assert_eq!(all_seen(&readers).len(), 3);
}

#[test]
fn a_read_that_is_not_answered_in_time_is_not_tried_again() {
    let reader_ports = ports::<4>();
    let readers = start("read", &reader_ports, &Behaviour::NeverAnswers);
    let door = Door::open(&[&ReservedPort::new()], &reader_ports.each_ref());

    assert_problem(&send(door.port.number, request("GET", "/reviews/2/meta")), 504);

    assert_eq!(all_seen(&readers).len(), 1);
}

/// The reader that answers for this product.
fn reader_of(door: &Door, product: usize) -> String {
    let answer = send(door.port.number, request("GET", &format!("/reviews/{product}/meta")));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

#[test]
fn a_product_stays_with_its_reader_whatever_form_the_request_has() {
    let reader_ports = ports::<4>();
    let readers = start("read", &reader_ports, &Behaviour::Answers);
    let door = Door::open(&[&ReservedPort::new()], &reader_ports.each_ref());

    for product in 1..=50 {
        let home = reader_of(&door, product);
        for target in [
            format!("/reviews/{product}/list"),
            format!("/reviews/{product}/list/?sort=helpful&page=2&product_id=99"),
            format!("/reviews/{product}/meta/"),
            format!("/reviews/{product}/jsonld"),
            format!("/reviews/{product}/jsonld/?count=3"),
            format!("/reviews?product_id={product}"),
            format!("/reviews/?sort=newest&product_id={product}&count=5"),
            format!("/reviews/meta?product_id={product}"),
            format!("/reviews/meta/?product_id={product}&product_id=99"),
        ] {
            let answer = send(door.port.number, request("GET", &target));
            assert_eq!((answer.status, &answer.body), (200, &home), "{target}");
        }
    }
    let mut by_review: Vec<String> =
        (1..=50).map(|id| send(door.port.number, request("GET", &format!("/reviews/{id}"))).body).collect();
    by_review.sort();
    by_review.dedup();
    assert_eq!(
        by_review,
        readers.each_ref().map(|reader| reader.name.clone()),
        "single reviews are spread too"
    );
}

#[test]
fn products_spread_over_all_readers_and_only_a_dead_ones_move() {
    const PRODUCTS: usize = 400;
    let reader_ports = ports::<4>();
    let mut readers = start("read", &reader_ports, &Behaviour::Answers).map(Some);
    let door = Door::open(&[&ReservedPort::new()], &reader_ports.each_ref());

    let homes: Vec<String> = (0..PRODUCTS).map(|product| reader_of(&door, product)).collect();
    for reader in readers.iter().flatten() {
        let share = homes.iter().filter(|home| **home == reader.name).count();
        assert!((PRODUCTS / 10..PRODUCTS / 2).contains(&share), "{} has {share} products", reader.name);
    }

    let dead = readers[0].take().unwrap().name.clone();
    for (product, home) in homes.iter().enumerate() {
        let now = reader_of(&door, product);
        assert_ne!(now, dead);
        assert!(*home == dead || now == *home, "product {product} moved from {home} to {now}");
    }

    readers[0] = Some(Upstream::start(&dead, &reader_ports[0], Behaviour::Answers));
    let moved = homes.iter().position(|home| *home == dead).unwrap();
    assert!(wait_until(|| reader_of(&door, moved) == dead), "the reader that came back is used again");
    let homes_again: Vec<String> = (0..PRODUCTS).map(|product| reader_of(&door, product)).collect();
    assert_eq!(homes_again, homes);
}

#[test]
fn a_reader_that_is_added_takes_only_its_own_products() {
    let reader_ports = ports::<4>();
    let readers = start("read", &reader_ports, &Behaviour::Answers);
    let [first, second, third, fourth] = reader_ports.each_ref();
    let before = Door::open(&[&ReservedPort::new()], &[first, second, third]);
    let after = Door::open(&[&ReservedPort::new()], &[first, second, third, fourth]);

    let mut taken = 0;
    for product in 0..200 {
        let (old, new) = (reader_of(&before, product), reader_of(&after, product));
        assert!(new == old || new == readers[3].name, "product {product} moved from {old} to {new}");
        taken += usize::from(new != old);
    }
    assert!((20..100).contains(&taken), "{taken} products of 200 moved");
}

#[test]
fn the_method_chooses_the_service() {
    let (writer_port, reader_port) = (ReservedPort::new(), ReservedPort::new());
    let writer = Upstream::start("write", &writer_port, Behaviour::Answers);
    let reader = Upstream::start("read", &reader_port, Behaviour::Answers);
    let door = Door::open(&[&writer_port], &[&reader_port]);

    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        assert_eq!(send(door.port.number, request(method, "/reviews/2")).status, 200, "{method}");
    }
    for method in ["PROPFIND", "LOCK", "BREW", "TRACE"] {
        let answer = send(door.port.number, request(method, "/reviews/2"));
        assert_problem(&answer, 405);
        assert_eq!(answer.one("allow"), "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    }
    let lines = |upstream: &Upstream| -> Vec<String> {
        upstream.seen().iter().map(|seen| seen.line.clone()).collect()
    };
    assert_eq!(lines(&reader), ["GET /reviews/2 HTTP/1.1", "HEAD /reviews/2 HTTP/1.1"]);
    assert_eq!(
        lines(&writer),
        ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"].map(|m| format!("{m} /reviews/2 HTTP/1.1"))
    );
}

#[test]
fn descriptions_are_only_read() {
    let (writer_port, reader_port) = (ReservedPort::new(), ReservedPort::new());
    let writer = Upstream::start("write", &writer_port, Behaviour::Answers);
    let reader = Upstream::start("read", &reader_port, Behaviour::Answers);
    let door = Door::open(&[&writer_port], &[&reader_port]);
    let targets = [
        "/openapi.json",
        "/openapi.json?x=1",
        "/asyncapi.json",
        "/asyncapi.json/",
        "/docs",
        "/docs/",
        "/docs?x=1",
        "/docs/ui/style.css",
    ];

    for target in targets {
        for method in ["GET", "HEAD"] {
            assert_eq!(send(door.port.number, request(method, target)).status, 200, "{method} {target}");
        }
        assert_eq!(reader.seen().last().unwrap().line, format!("HEAD {target} HTTP/1.1"));
    }
    for target in targets.into_iter().chain(["/healthz", "/healthz?x"]) {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY"] {
            let answer = send(door.port.number, request(method, target));
            assert_problem(&answer, 405);
            assert_eq!(answer.one("allow"), "GET, HEAD", "{method} {target}");
        }
    }
    assert_eq!((reader.seen().len(), writer.seen().len()), (2 * targets.len(), 0));
}

#[test]
fn a_body_may_have_256_kib_and_not_one_byte_more() {
    let writer_port = ReservedPort::new();
    let writer = Upstream::start("write", &writer_port, Behaviour::Answers);
    let door = Door::open(&[&writer_port], &[&ReservedPort::new()]);

    assert_eq!(send(door.port.number, request_with_body("POST", "/reviews", BODY_BYTES_MAX)).status, 200);
    assert_eq!(send(door.port.number, request_in_chunks("/reviews", BODY_BYTES_MAX, 65_536)).status, 200);
    // Its framing is six times the body: more than NGINX keeps in memory.
    assert_eq!(send(door.port.number, request_in_chunks("/reviews", BODY_BYTES_MAX, 1)).status, 200);
    let lengths: Vec<usize> = writer.seen().iter().map(|seen| seen.body_bytes).collect();
    assert_eq!(lengths, [BODY_BYTES_MAX; 3], "whole, and with a length whatever the client did");

    for too_large in [
        request_with_body("POST", "/reviews", BODY_BYTES_MAX + 1),
        request_with_body("PUT", "/reviews/7/helpful", 4 * BODY_BYTES_MAX),
        request_in_chunks("/reviews", BODY_BYTES_MAX + 1, 65_536),
    ] {
        assert_problem(&send(door.port.number, too_large), 413);
    }
    assert_eq!(writer.seen().len(), 3, "no service hears of a body that is too large");
}

#[test]
fn what_nginx_refuses_by_itself_is_a_problem_document() {
    let door = Door::open(&[&ReservedPort::new()], &[&ReservedPort::new()]);
    let long = "x".repeat(9_000);
    for (status, bytes) in [
        (400, "nonsense\r\n\r\n".to_owned()),
        (400, "GET /reviews/%zz/list HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".to_owned()),
        (400, request("GET", "/reviews/%00/list")),
        (400, request("GET", "/reviews/../../list")),
        (400, "GET /reviews/2/list HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned()),
        (400, "POST /reviews HTTP/1.1\r\nHost: shop\r\nContent-Length: x\r\n\r\n".to_owned()),
        (404, request("GET", "/")),
        (404, request("POST", "/admin")),
        (414, request("GET", &format!("/reviews/2/list?sort={long}"))),
        (431, format!("GET /reviews/2/list HTTP/1.1\r\nHost: shop\r\nX-Long: {long}\r\n\r\n")),
        (
            501,
            "POST /reviews HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
                .to_owned(),
        ),
        (502, request("GET", "/reviews/2/list")),
        (502, request_with_body("POST", "/reviews/2", 10)),
        (505, "GET /reviews HTTP/3.0\r\nHost: shop\r\n\r\n".to_owned()),
    ] {
        assert_problem(&send(door.port.number, bytes), status);
    }
    let head = send(door.port.number, request("HEAD", "/nothing"));
    assert_eq!((head.status, head.body.as_str()), (404, ""));
    assert_own(&head);
}

#[test]
fn only_paths_under_reviews_are_served_and_they_travel_unchanged() {
    let (writer_port, reader_port) = (ReservedPort::new(), ReservedPort::new());
    let writer = Upstream::start("write", &writer_port, Behaviour::Answers);
    let reader = Upstream::start("read", &reader_port, Behaviour::Answers);
    let door = Door::open(&[&writer_port], &[&reader_port]);

    for target in [
        "/reviewsx",
        "/docsx",
        "/xdocs",
        "/openapi",
        "/openapi.jsonx",
        "/openapi.json/x",
        "/openapixjson",
        "/asyncapi.yaml",
        "/Reviews",
        "/review",
        "/livez",
        "/readyz",
        "/metrics",
        "//reviews",
        "/%72eviews/2/list",
        "/x/../reviews/2/list",
        "/_write",
        "/_problem",
        "/_health",
        "/healthz/x",
        "/reviews/../_health",
        "/reviews/../_write",
    ] {
        for method in ["GET", "POST"] {
            assert_problem(&send(door.port.number, request(method, target)), 404);
        }
    }
    let served = [
        "/reviews",
        "/reviews?product_id=2",
        "/reviews//2/list",
        "/reviews/2/list/",
        "/reviews/2%2Flist?sort=%22newest%22&x=a%20b+c",
        "/reviews/%2e%2e/metrics",
        "/reviews/../metrics",
        "/reviews/./2/./list",
        "/reviews/2/list?",
        "/reviews/%C3%A9?a&&=b",
    ];
    for target in served {
        assert_eq!(send(door.port.number, request("GET", target)).status, 200, "{target}");
        assert_eq!(send(door.port.number, request("PUT", target)).status, 200, "{target}");
    }
    assert_eq!(send(door.port.number, request("GET", "http://elsewhere/reviews/2/list")).status, 200);

    let targets = |upstream: &Upstream| -> Vec<String> {
        upstream.seen().iter().map(|seen| seen.line.split(' ').nth(1).unwrap().to_owned()).collect()
    };
    assert_eq!(targets(&writer), served);
    assert_eq!(targets(&reader)[..served.len()], served);
    assert_eq!(targets(&reader)[served.len()..], ["/reviews/2/list"]);
}

#[test]
fn health_is_nginx_s_own_and_needs_no_service() {
    let door = Door::open(&[&ReservedPort::new()], &[&ReservedPort::new()]);
    let answer = send(door.port.number, request("GET", "/healthz"));
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    assert_eq!(answer.one("content-type"), "text/plain");
    assert_own(&answer);
}

#[test]
fn a_service_s_own_answers_pass_untouched() {
    let theirs = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n\
        Retry-After: 7\r\nAccess-Control-Allow-Origin: https://shop.example\r\nVary: Origin\r\n\
        X-Request-Id: theirs\r\nContent-Length: 14\r\n\r\n{\"status\":503}";
    let writer_port = ReservedPort::new();
    let writer = Upstream::start("write", &writer_port, Behaviour::AnswersBytes(theirs.to_owned()));
    let reader_ports = ports::<2>();
    let readers = start("read", &reader_ports, &Behaviour::AnswersBytes(theirs.to_owned()));
    let door = Door::open(&[&writer_port], &reader_ports.each_ref());

    for method in ["GET", "POST"] {
        let answer = send(door.port.number, request(method, "/reviews/2"));
        assert_eq!((answer.status, answer.body.as_str()), (503, "{\"status\":503}"));
        assert_eq!(answer.one("retry-after"), "7");
        assert_eq!(answer.one("access-control-allow-origin"), "https://shop.example");
        assert_eq!(answer.all("access-control-expose-headers"), [""; 0]);
        assert_eq!(answer.one("x-request-id").len(), 32, "the door's, once");
    }
    assert_eq!(writer.seen().len(), 1);
    assert_eq!(all_seen(&readers).len(), 1, "a reader that answers has answered");
}

#[test]
fn headers_of_a_service_s_answer_pass_unchanged() {
    const THEIRS: [(&str, &[&str]); 9] = [
        ("etag", &["\"1-a7\""]),
        ("vary", &["Origin", "Accept"]),
        ("warning", &["199 - \"this product's meta is not up to date\""]),
        ("link", &["</reviews/2/list?after=a%2Bb>; rel=\"next\"", "</openapi.json>; rel=\"service-desc\""]),
        ("location", &["/reviews/6054"]),
        ("consistency-token", &["p.1.2", "m.3.4"]),
        ("preference-applied", &["wait=1"]),
        ("cache-control", &["no-cache"]),
        ("allow", &["POST"]),
    ];
    let lines =
        THEIRS.iter().flat_map(|(name, values)| values.iter().map(move |v| format!("{name}: {v}\r\n")));
    let theirs = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/ld+json\r\n{}Content-Length: 2000\r\n\r\n{}",
        lines.collect::<String>(),
        "x".repeat(2000)
    );
    let (writer_port, reader_port) = (ReservedPort::new(), ReservedPort::new());
    let _writer = Upstream::start("write", &writer_port, Behaviour::AnswersBytes(theirs.clone()));
    let _reader = Upstream::start("read", &reader_port, Behaviour::AnswersBytes(theirs));
    let door = Door::open(&[&writer_port], &[&reader_port]);

    for method in ["GET", "POST"] {
        let head = format!("{method} /reviews/2 HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n");
        let answer =
            send(door.port.number, format!("{head}Accept-Encoding: gzip, br\r\nOrigin: http://a\r\n\r\n"));
        assert_eq!((answer.status, answer.body.len()), (200, 2000), "{method}");
        for (name, values) in THEIRS {
            assert_eq!(answer.all(name), values, "{method}: {name}");
        }
        assert_eq!(answer.all("content-encoding"), [""; 0]);
    }
    let options = send(door.port.number, request("OPTIONS", "/reviews/2"));
    assert_eq!(options.all("allow"), [""; 0], "a writer does not know what is read");
}

#[test]
fn an_etag_and_a_304_pass_unchanged() {
    let theirs = "HTTP/1.1 304 Not Modified\r\nETag: W/\"1-a7\"\r\nVary: Origin\r\n\r\n";
    let reader_port = ReservedPort::new();
    let reader = Upstream::start("read", &reader_port, Behaviour::AnswersBytes(theirs.to_owned()));
    let door = Door::open(&[&ReservedPort::new()], &[&reader_port]);
    let head = "GET /reviews/2/meta HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n";

    let answer = send(door.port.number, format!("{head}If-None-Match: W/\"1-a7\", \"x\"\r\n\r\n"));

    assert_eq!((answer.status, answer.body.as_str()), (304, ""));
    assert_eq!((answer.one("etag"), answer.one("vary")), ("W/\"1-a7\"", "Origin"));
    assert_eq!(reader.seen()[0].all("if-none-match"), ["W/\"1-a7\", \"x\""]);
}

/// Several lines of one name: NGINX 1.22 knows the first only, 1.23 and later join them.
#[test]
fn a_consistency_token_arrives_however_long_it_is() {
    let reader_port = ReservedPort::new();
    let reader = Upstream::start("read", &reader_port, Behaviour::Answers);
    let door = Door::open(&[&ReservedPort::new()], &[&reader_port]);
    let ask = |lines: &[&str]| {
        let lines: String = lines.iter().map(|line| format!("Consistency-Token: {line}\r\n")).collect();
        let head = "GET /reviews/2/meta HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n";
        assert_eq!(send(door.port.number, format!("{head}{lines}\r\n")).status, 200);
        let seen = reader.seen();
        seen.last().unwrap().all("consistency-token").join("|")
    };

    let long = "a".repeat(8_000);
    for token in ["a.1", "a.1, b.2,c.3", &long] {
        assert_eq!(ask(&[token]), token);
    }
    assert_eq!(ask(&[]), "");
    let both = ask(&["a.1", "b.2"]);
    assert!(["a.1", "a.1, b.2"].contains(&both.as_str()), "{both}");
}

#[test]
fn only_listed_origins_may_read_what_nginx_answers() {
    const LIST: &str = "https://shop.example.com,https://www.example.com:8443,http://[::1]:3000";
    let door = Door::open_for(LIST, &[&ReservedPort::new()], &[&ReservedPort::new()]);
    let ask = |target: &str, origin: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n");
        send(door.port.number, format!("{head}{origin}\r\n"))
    };

    for (target, status) in [("/healthz", 200), ("/nowhere", 404), ("/reviews/2/list", 502)] {
        for origin in LIST.split(',') {
            let answer = ask(target, &format!("Origin: {origin}\r\n"));
            assert_eq!((answer.status, answer.one("vary")), (status, "Origin"));
            assert_eq!(answer.one("access-control-allow-origin"), origin, "{target}");
            assert_eq!(answer.one("access-control-expose-headers"), EXPOSED);
        }
        for other in [
            "",
            "null",
            "*",
            ",",
            "|",
            "https://",
            "https://shop.example.com/",
            "https://shop.example.com.evil.example",
            "https://evil.shop.example.com",
            "https://shopxexample.com",
            "https://SHOP.example.com",
            "http://shop.example.com",
            "https://www.example.com",
            "https://www.example.com:84",
            "https://shop.example.com,https://www.example.com:8443",
            "x,https://evil.example,|https://evil.example",
            "|https://shop.example.com",
        ] {
            let answer = ask(target, &format!("Origin: {other}\r\n"));
            assert_eq!((answer.status, answer.one("vary")), (status, "Origin"));
            assert_eq!(answer.all("access-control-allow-origin"), [""; 0], "{target} from {other}");
        }
        let answer = ask(target, "");
        assert_eq!(answer.all("access-control-allow-origin"), [""; 0]);
        assert_eq!(answer.one("vary"), "Origin");
    }
}

/// As the containers pass the list on: with the blanks that the services do not mind.
#[test]
fn blanks_in_the_list_of_origins_do_not_matter() {
    for (list, origin, allowed) in [
        (" * ", "https://a.example", "*"),
        ("https://a.example, https://b.example ", "https://a.example", "https://a.example"),
        ("https://a.example, https://b.example ", "https://b.example", "https://b.example"),
    ] {
        let door = Door::open_for(list, &[&ReservedPort::new()], &[&ReservedPort::new()]);
        let head = "GET /healthz HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n";
        let answer = send(door.port.number, format!("{head}Origin: {origin}\r\n\r\n"));
        assert_eq!(answer.one("access-control-allow-origin"), allowed, "{list:?}");
    }
}

#[test]
fn a_request_id_goes_in_and_comes_out() {
    let (writer_port, reader_port) = (ReservedPort::new(), ReservedPort::new());
    let writer = Upstream::start("write", &writer_port, Behaviour::Answers);
    let reader = Upstream::start("read", &reader_port, Behaviour::Answers);
    let door = Door::open(&[&writer_port], &[&reader_port]);
    let ask = |method: &str, target: &str, id: &str| {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n");
        send(door.port.number, format!("{head}X-Request-Id: {id}\r\n\r\n"))
    };

    let longest = "a".repeat(64);
    for id in ["a", "Front.end_7-x", &longest] {
        for (method, target) in [("GET", "/reviews/2"), ("POST", "/reviews/2"), ("GET", "/nowhere")] {
            assert_eq!(ask(method, target, id).one("x-request-id"), id, "{method} {target}");
        }
        assert_eq!(reader.seen().last().unwrap().all("x-request-id"), [id]);
        assert_eq!(writer.seen().last().unwrap().all("x-request-id"), [id]);
    }
    let too_long = "a".repeat(65);
    for id in ["", "with space", "quote\"", "a,b", "\u{e9}", &too_long] {
        let answer = ask("GET", "/reviews/2", id);
        let given = answer.one("x-request-id");
        assert!(given.len() == 32 && given.bytes().all(|b| b.is_ascii_hexdigit()), "{given}");
        assert_eq!(reader.seen().last().unwrap().all("x-request-id"), [given]);
    }
}

#[test]
fn connections_to_the_services_are_kept() {
    let (writer_port, reader_port) = (ReservedPort::new(), ReservedPort::new());
    let writer = Upstream::start("write", &writer_port, Behaviour::Answers);
    let reader = Upstream::start("read", &reader_port, Behaviour::Answers);
    let door = Door::open(&[&writer_port], &[&reader_port]);

    for product in 0..100 {
        assert_eq!(send(door.port.number, request("GET", &format!("/reviews/{product}/list"))).status, 200);
        assert_eq!(send(door.port.number, request("POST", &format!("/reviews/{product}"))).status, 200);
    }
    assert_eq!((reader.seen().len(), reader.connections()), (100, 1));
    assert_eq!((writer.seen().len(), writer.connections()), (100, 1));
    assert!(reader.seen().iter().all(|seen| seen.all("connection").is_empty()));
}

#[test]
fn the_logs_name_no_person() {
    const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);
    let reader_port = ReservedPort::new();
    let _reader = Upstream::start("read", &reader_port, Behaviour::Answers);
    let door = Door::open(&[&ReservedPort::new()], &[&reader_port]);
    let body = "{\"email\":\"ann@example.org\"}";
    for bytes in [
        request("GET", "/reviews?name=ann@example.org&product_id=2"),
        request("GET", "/reviews/12/list?sort=ann@example.org"),
        request("GET", "/reviews/ann@example.org"),
        request("GET", "/ann@example.org"),
        request("GET", "/docs/ann@example.org"),
        request("GET", "/docs/style.css?name=ann@example.org"),
        request("GET", "/openapi.json?ann@example.org"),
        request("GET", "/reviews/7/jsonld?ann@example.org"),
        format!(
            "POST /reviews/3 HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nUser-Agent: ann@example.org\r\n\
             X-Request-Id: known\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    ] {
        send_from(SOURCE, door.port.number, bytes);
    }

    let entries: Vec<serde_json::Value> =
        door.access_log(9).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let field = |name: &str| -> Vec<&str> { entries.iter().map(|e| e[name].as_str().unwrap()).collect() };
    assert_eq!(
        field("http.path"),
        [
            "/reviews",
            "/reviews/12/list",
            "-",
            "-",
            "-",
            "/docs/style.css",
            "/openapi.json",
            "/reviews/7/jsonld",
            "/reviews/3"
        ]
    );
    assert_eq!(field("shard"), ["2", "12", "-", "-", "-", "-", "-", "7", "3"]);
    assert_eq!(field("http.method"), ["GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "POST"]);
    let statuses: Vec<u64> = entries.iter().map(|e| e["http.status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 200, 404, 200, 200, 200, 200, 502]);
    assert_eq!(entries[8]["request.id"], "known");
    assert_eq!(entries[8]["upstream.status"], "502");
    assert!(entries[0]["upstream.seconds"].as_str().unwrap().parse::<f64>().is_ok());

    for log in [door.access_log(9).join("\n"), door.error_log()] {
        assert!(!log.contains("ann") && !log.contains(&SOURCE.to_string()), "{log}");
    }
}
