//! Entity tags while answers change.

use crate::commands::review;
use crate::http::{Answer, Front, Request};
use crate::sql::Database;
use crate::wait::until;
use std::time::Duration;

/// From a swap to its being seen by every reader, which look once a second.
const SWAP_SEEN_LIMIT: Duration = Duration::from_secs(10);

/// Tags follow the answers: while reviews are written, and when another generation of meta answers.
pub(crate) fn tags_follow_the_answers(front: Front, meta: &Database) {
    const PRODUCT: i64 = 710_008;
    let (list, meta_path) = (format!("/reviews/{PRODUCT}/list"), format!("/reviews/{PRODUCT}/meta"));
    let asked = |path: &str, tag: &str| front.ask(&Request::get(path).header("If-None-Match", tag));
    let tag = |answer: &Answer| answer.all("etag")[0].to_owned();
    let mut known = [tag(&front.get(&list)), tag(&front.get(&meta_path))];
    // Another writer votes meanwhile: its votes change the list and not meta.
    let voted = front.posted(&format!("/reviews/{PRODUCT}"), &review(3, "To be voted on."));
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                front.ask(&Request::put(&format!("/reviews/{voted}/helpful")));
            }
        });
        for n in 0..20 {
            front.posted(&format!("/reviews/{PRODUCT}"), &review(n % 5 + 1, "A review."));
            for (path, known) in [&list, &meta_path].into_iter().zip(&mut known) {
                let answer = asked(path, known);
                assert_eq!(answer.status, 200, "{path} changed, and {known} was still right");
                *known = tag(&answer);
            }
        }
        drop(stop);
    });
    // When this one is shown, so are all votes before it: from here on the product stands still.
    front.posted(&format!("/reviews/{PRODUCT}"), &review(4, "The last one."));
    for path in [&list, &meta_path] {
        let answer = front.get(path);
        let again = asked(path, &tag(&answer));
        assert_eq!((again.status, tag(&again)), (304, tag(&answer)), "{path} stands still");
    }

    // A generation in which the product has one more review of five stars.
    let before = front.get(&meta_path);
    let active = meta.number("SELECT generation FROM active_generation");
    meta.rows(&format!(
        "WITH g AS (INSERT INTO generation (projection_version, state) VALUES (2, 'building') RETURNING generation),
              m AS (INSERT INTO product_meta (generation, part, product_id, version, rating_5, recommended_true)
                    SELECT g.generation, m.part, m.product_id, m.version, m.rating_5 + 1, m.recommended_true + 1
                    FROM g CROSS JOIN product_meta m WHERE m.generation = {active} AND m.product_id = {PRODUCT})
         UPDATE active_generation SET generation = g.generation FROM g"
    ));
    until("the other generation's answer has another tag", SWAP_SEEN_LIMIT, || {
        let after = asked(&meta_path, &tag(&before));
        if after.status == 200 { Ok(()) } else { Err(after.status.to_string()) }
    });
    let after = front.get(&meta_path);
    let building = meta.number("SELECT generation FROM active_generation");
    let swap_to = |generation: i64| {
        meta.rows(&format!("UPDATE active_generation SET generation = {generation}"));
    };
    swap_to(active);
    until("the same answer as before has the same tag", SWAP_SEEN_LIMIT, || {
        let again = asked(&meta_path, &tag(&before));
        if again.status == 304 { Ok(()) } else { Err(again.status.to_string()) }
    });
    assert_eq!(asked(&meta_path, &tag(&after)).status, 200);

    // There and back between two looks of the readers: what was asked for the first time meanwhile is not kept.
    let first_asked = format!("/reviews/meta?product_id={PRODUCT}");
    swap_to(building);
    let meanwhile = front.get(&first_asked);
    swap_to(active);
    until("what another generation said for a moment is forgotten", SWAP_SEEN_LIMIT, || {
        let again = asked(&first_asked, &tag(&meanwhile));
        if again.status == 200 { Ok(()) } else { Err(again.status.to_string()) }
    });
}
