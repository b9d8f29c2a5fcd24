//! `reviewsctl replay`, `verify` and `generations`: what they say, on real databases in which a projector is played.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use serde_json::{Value, json};
use std::process::Output;
use support::admin::World;
use support::stores::{NO_BROKER, asked};
use support::{finished, rows, stderr, url};

async fn says(world: &World, command: &str, args: &[&str]) -> Output {
    finished(asked(&url(&world.primary), &url(&world.meta), NO_BROKER, command, args)).await
}

/// What it says on standard output; it must end well.
async fn said(world: &World, command: &str, args: &[&str]) -> String {
    let output = says(world, command, args).await;
    assert!(output.status.success(), "{command} {args:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn generations_that_are_kept_for_nothing_are_named_until_they_are_pruned() {
    const SURPLUS: &str = "generation 1 is kept up to date beside the one that answers and the one before it, at one more \
                           write each with every event; `reviewsctl generations prune --keep-previous` deletes it\n";
    let world = World::new().await;
    let status = async |args: &[&str]| String::from_utf8(says(&world, "status", args).await.stdout).unwrap();
    let first = said(&world, "replay", &["--unthrottled"]).await;
    assert!(first.contains("generation 2, swapped in within ") && !first.contains("surplus"), "{first}");
    assert!(!said(&world, "generations", &["list"]).await.contains("prune"));
    assert!(!status(&[]).await.contains("prune"));

    let second = said(&world, "replay", &["--unthrottled"]).await;
    assert!(second.ends_with(&format!("\nsurplus     {SURPLUS}")), "{second}");
    let list = said(&world, "generations", &["list"]).await;
    assert!(list.ends_with(&format!(" parked\n{SURPLUS}")), "{list}");
    let text = status(&[]).await;
    assert!(text.contains(&format!(" applied\n            {SURPLUS}            read from meta: ")), "{text}");
    let surplus: Value = serde_json::from_str(&status(&["--json"]).await).unwrap();
    assert_eq!(surplus["projection"]["is"]["surplus"], json!([1]));
    // One that a replay goes on with is none of them, and stays.
    said(&world, "replay", &["--unthrottled", "--no-swap"]).await;
    let surplus: Value = serde_json::from_str(&status(&["--json"]).await).unwrap();
    assert_eq!(surplus["projection"]["is"]["surplus"], json!([1]));

    let pruned = said(&world, "generations", &["prune", "--keep-previous"]).await;
    assert_eq!(pruned, "generation 1 is deleted\n");
    assert!(!said(&world, "generations", &["list"]).await.contains("prune"));
    let nothing = said(&world, "generations", &["prune", "--keep-previous"]).await;
    assert!(nothing.starts_with("nothing to prune: "), "{nothing}");
    let back: Value = serde_json::from_str(&said(&world, "rollback", &["--json"]).await).unwrap();
    assert_eq!((&back["from"], &back["to"]), (&json!(3), &json!(2)));
    assert_eq!(said(&world, "generations", &["prune"]).await, "generation 3 is deleted\n");
    let generations = "SELECT generation::text FROM generation ORDER BY generation";
    assert_eq!(rows(&world.meta.pool, generations).await, ["2", "4"]);
}

#[tokio::test]
async fn of_another_log_nothing_is_compared_and_no_rollback_is_promised() {
    let world = World::new().await;
    let dry = said(&world, "replay", &["--dry-run"]).await;
    assert!(dry.ends_with("swap it in for generation 1, which stays for a rollback\n"), "{dry}");
    world.damage(3).await;
    let epoch = "UPDATE log_identity SET epoch = gen_random_uuid()";
    sqlx::query(epoch).execute(&world.primary.pool).await.unwrap();
    let products = "SELECT p::text FROM product_meta p ORDER BY product_id";
    let before = rows(&world.meta.pool, products).await;
    let refused = says(&world, "replay", &[]).await;
    let mend = "; `cargo reviewsctl status` names the mend";
    assert!(!refused.status.success() && stderr(&refused).contains(mend), "{}", stderr(&refused));
    for args in [&[][..], &["--repair"], &["--sample", "3"]] {
        let verify = says(&world, "verify", args).await;
        assert_eq!((verify.status.code(), verify.stdout.as_slice()), (Some(1), &b""[..]));
        assert_eq!(stderr(&verify), stderr(&refused), "{args:?}");
    }
    assert_eq!(rows(&world.meta.pool, products).await, before);

    let dry = said(&world, "replay", &["--fresh", "--dry-run"]).await;
    let then = "swap it in for generation 1, and take all others out of use: a rollback is not possible afterwards\n";
    assert!(dry.ends_with(then), "{dry}");
    said(&world, "replay", &["--fresh", "--unthrottled"]).await;
    assert_eq!(says(&world, "rollback", &[]).await.status.code(), Some(1));
    assert!(said(&world, "verify", &[]).await.contains("\ncompared    10 products, 0 differ\n"));
}

#[tokio::test]
async fn what_is_asked_for_in_vain_is_said() {
    let world = World::new().await;
    let some = said(&world, "verify", &["--sample", "3"]).await;
    assert!(some.contains("\ncompared    3 products, 0 differ\n") && !some.contains("sample"), "{some}");
    let all = said(&world, "verify", &["--sample", "1000"]).await;
    assert!(all.contains("\nsample      all were compared, ") && all.contains(" 10 products, "), "{all}");
    let json: Value =
        serde_json::from_str(&said(&world, "verify", &["--sample", "3", "--json"]).await).unwrap();
    assert_eq!((&json["sampled"], &json["products"]), (&json!(true), &json!(3)));
    world.damage(3).await;
    let one = says(&world, "verify", &[]).await;
    assert!(
        String::from_utf8_lossy(&one.stdout).contains("\ncompared    10 products, 1 differs\n"),
        "{one:?}"
    );

    for command in ["replay", "verify"] {
        let refused = says(&world, command, &["--max-write-p99", "0ms"]).await;
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains("give a time above 0, or --unthrottled"), "{}", stderr(&refused));
    }
}

/// What is made anew never gets worse, and whoever asked is told.
#[tokio::test]
async fn a_generation_that_keeps_what_it_has_is_named() {
    let world = World::new().await;
    let damage = "UPDATE event_log SET type = 'ReviewPosted.v9' WHERE product_id = 3 AND version = 2";
    sqlx::query(damage).execute(&world.primary.pool).await.unwrap();
    let one = says(&world, "replay", &["--product", "3", "--json"]).await;
    let rebuilt: Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!(one.status.code(), Some(1));
    assert_eq!((&rebuilt["generations"], &rebuilt["kept"]), (&json!([]), &json!([1])), "{rebuilt}");
    let text = says(&world, "replay", &["--product", "3"]).await;
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.ends_with("; generation 1 keeps what it has, which is further\n"), "{text}");
    let redriven = said(&world, "parked", &["redrive", "3", "--json"]).await;
    let redriven: Value = serde_json::from_str(&redriven).unwrap();
    assert_eq!(redriven["products"][0]["kept"], json!([1]), "{redriven}");

    // A replay says how many would get worse, and how to have it so.
    let refused = says(&world, "replay", &["--unthrottled"]).await;
    assert!(
        stderr(&refused).contains(" is not swapped in: 1 product stands still in it and not "),
        "{refused:?}"
    );
    assert_eq!(world.active().await, 1);
    let server = world.serve().await;
    let asked = json!({ "with_parked": true, "unthrottled": true });
    let (status, begun) = server.post("/admin/v1/replays", Some(asked)).await;
    assert_eq!((status, &begun["generation"]), (202, &json!(2)), "{begun}");
    testkit::eventually("it is swapped in", || async { (world.active().await == 2).then_some(()) }).await;
}
