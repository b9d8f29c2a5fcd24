//! What must be so whatever happened, asked of the databases, of the broker and through the front door.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use broker::BrokerAddress;

use crate::http::Front;
use crate::load::{Ledger, MARK, PRODUCTS};
use crate::sql::Database;
use crate::stack::Stack;
use crate::wait::until;

/// Within this time meta has caught up once everything runs.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(30);

/// From what meta's database has to what readers answer.
const SHOWN_LIMIT: Duration = Duration::from_secs(5);

/// Holes in the log: positions per part, versions per product, the stream's version, a rest in the outbox.
const BROKEN_LOG: &str = "
    SELECT format('part %s: %s events from %s to %s, head %s', h.part, count(l.pos), min(l.pos), max(l.pos), h.head)
    FROM log_head h LEFT JOIN event_log l USING (part) GROUP BY h.part, h.head
    HAVING count(l.pos) <> h.head OR coalesce(min(l.pos), 1) <> 1 OR coalesce(max(l.pos), 0) <> h.head
    UNION ALL
    SELECT format('product %s: version %s at place %s', product_id, version, place)
    FROM (SELECT product_id, version, row_number() OVER (PARTITION BY part, product_id ORDER BY pos) AS place
          FROM event_log) v
    WHERE version <> place
    UNION ALL
    SELECT format('product %s: stream at %s, log at %s', s.product_id, s.version, max(l.version))
    FROM product_stream s LEFT JOIN event_log l USING (part, product_id)
    GROUP BY s.part, s.product_id, s.version HAVING max(l.version) IS DISTINCT FROM s.version
    UNION ALL
    SELECT format('outbox of part %s: %s events', part, count(*)) FROM outbox GROUP BY part";

/// Family 2's whole meta of every product, as the reviews themselves add up to; Postgres makes the averages.
const META_OF_REVIEWS: &str = r#"
    WITH totals AS (
        SELECT product_id, count(*) FILTER (WHERE recommend) AS yes, count(*) FILTER (WHERE NOT recommend) AS no
        FROM reviews GROUP BY product_id
    ), ratings AS (
        SELECT product_id, string_agg(format('"%s":"%s"', rating, n), ',' ORDER BY rating) AS text
        FROM (SELECT product_id, rating, count(*) AS n FROM reviews GROUP BY product_id, rating) r GROUP BY product_id
    ), averages AS (
        SELECT c.product_id, c.characteristic_id, c.name,
               avg((r.characteristics ->> c.characteristic_id::text)::integer) AS value
        FROM characteristics c LEFT JOIN reviews r USING (part, product_id)
        GROUP BY c.product_id, c.characteristic_id, c.name
    ), characteristics AS (
        SELECT product_id, string_agg(format('"%s":{"id":%s,"value":%s}', name, characteristic_id,
                                             coalesce('"' || value || '"', 'null')), ',' ORDER BY characteristic_id) AS text
        FROM averages GROUP BY product_id
    )
    SELECT product_id, format('{"product_id":"%s","ratings":{%s},"recommended":{%s},"characteristics":{%s}}',
                              product_id, r.text,
                              CASE WHEN t.yes + t.no > 0 THEN format('"false":"%s","true":"%s"', t.no, t.yes) END, c.text)
    FROM product_stream LEFT JOIN totals t USING (product_id) LEFT JOIN ratings r USING (product_id)
    LEFT JOIN characteristics c USING (product_id)"#;

/// Everything is as the ledger and the rules say. Nothing may be writing.
pub(crate) fn all_is_well(stack: &Stack, ledger: &Ledger) {
    assert!(ledger.wrong.is_empty(), "answers that no good request may get: {:#?}", ledger.wrong);
    let (primary, meta) = (Database::primary(stack), Database::meta(stack));
    meta_catches_up(&primary, &meta);
    let broken = primary.column(BROKEN_LOG);
    assert!(broken.is_empty(), "the log is not whole: {broken:#?}");
    reviews_are_there_once(&primary, ledger);
    votes_count_once(&primary, ledger);
    lists_hold_each_review_once(stack.front, ledger);
    nothing_is_parked(&meta);
    meta_is_the_sum_of_the_reviews(&primary, stack.front, |product| PRODUCTS.contains(&product));
    assert_eq!(dead_letters(stack), 0, "messages were dead-lettered");
}

/// Waits until the outbox is empty and every checkpoint stands at its part's head.
pub(crate) fn meta_catches_up(primary: &Database, meta: &Database) {
    until("meta has caught up with the log", CATCH_UP_LIMIT, || {
        let waiting = primary.try_rows("SELECT count(*) FROM outbox")?;
        let heads = primary.try_rows("SELECT part, head FROM log_head ORDER BY part")?;
        let at = meta.try_rows(
            "SELECT part, pos FROM checkpoint JOIN active_generation USING (generation) ORDER BY part",
        )?;
        let behind: Vec<_> = heads.iter().zip(&at).filter(|(head, at)| head != at).take(3).collect();
        if waiting == [["0"]] && heads == at {
            Ok(())
        } else {
            Err(format!("outbox: {waiting:?}; [part, head] and [part, checkpoint] that differ: {behind:?}"))
        }
    });
}

fn reviews_are_there_once(primary: &Database, ledger: &Ledger) {
    let rows =
        primary.rows(&format!("SELECT review_id, product_id, body FROM reviews WHERE body LIKE '{MARK}%'"));
    let mut stored = BTreeMap::new();
    let mut bodies = BTreeMap::new();
    for row in rows {
        let (id, product): (i64, i64) = (row[0].parse().unwrap(), row[1].parse().unwrap());
        *bodies.entry(row[2].clone()).or_insert(0) += 1;
        assert!(stored.insert(id, (product, row[2].clone())).is_none(), "review {id} is there twice");
    }
    let lost: Vec<_> =
        ledger.reviews.iter().filter(|(id, what)| stored.get(id) != Some(what)).take(5).collect();
    assert!(lost.is_empty(), "acknowledged reviews are lost or changed: {lost:?}");
    let doubled: Vec<_> = bodies.iter().filter(|(_, times)| **times > 1).take(5).collect();
    assert!(doubled.is_empty(), "one POST, several reviews: {doubled:?}");
    let invented = stored.len().saturating_sub(ledger.reviews.len() + ledger.unanswered.len());
    assert_eq!(invented, 0, "more reviews than were sent");
}

fn votes_count_once(primary: &Database, ledger: &Ledger) {
    let rows = primary.rows(&format!(
        "SELECT r.review_id, r.helpfulness, count(e.*) FROM reviews r LEFT JOIN event_log e
         ON e.part = r.part AND e.product_id = r.product_id AND e.type = 'ReviewMarkedHelpful.v1'
            AND (e.payload ->> 'review_id')::bigint = r.review_id
         WHERE r.body LIKE '{MARK}%' GROUP BY r.review_id, r.helpfulness"
    ));
    for row in rows {
        let [id, helpfulness, events] = [0, 1, 2].map(|n| row[n].parse::<i64>().unwrap());
        let (acknowledged, unanswered) = ledger.votes.get(&id).copied().unwrap_or_default();
        assert_eq!(helpfulness, events, "review {id}: helpfulness and helpful events differ");
        assert!(
            (acknowledged..=acknowledged + unanswered).contains(&helpfulness),
            "review {id} has {helpfulness} votes; {acknowledged} acknowledged, {unanswered} unanswered"
        );
    }
}

/// Every page of every product's list, through the front door.
fn lists_hold_each_review_once(front: Front, ledger: &Ledger) {
    let mut listed = BTreeMap::new();
    for product in PRODUCTS {
        for page in 1.. {
            let target = format!("/reviews/{product}/list?sort=newest&count=1000&page={page}");
            let list = front.json(&target);
            let results = list["results"].as_array().unwrap();
            for review in results {
                let id = review["review_id"].as_i64().unwrap();
                let what = (product, review["body"].as_str().unwrap().to_owned());
                assert!(listed.insert(id, what).is_none(), "review {id} is listed twice");
            }
            if results.len() < 1000 {
                break;
            }
        }
    }
    let missing: Vec<_> =
        ledger.reviews.iter().filter(|(id, what)| listed.get(id) != Some(what)).take(5).collect();
    assert!(missing.is_empty(), "acknowledged reviews are not listed: {missing:?}");
}

fn nothing_is_parked(meta: &Database) {
    let parked = meta.rows("SELECT product_id, reason FROM parked_product");
    assert!(parked.is_empty(), "parked: {parked:?}");
    assert_eq!(meta.number("SELECT count(*) FROM product_meta WHERE parked"), 0);
}

/// Meta through the front door, whole bodies, is what the primary's reviews add up to.
pub(crate) fn meta_is_the_sum_of_the_reviews(primary: &Database, front: Front, of: impl Fn(i64) -> bool) {
    let mut asked = 0;
    for row in primary.rows(META_OF_REVIEWS) {
        let product: i64 = row[0].parse().unwrap();
        if of(product) {
            // What readers keep is as old as a message is on its way.
            until(&format!("meta of product {product} is {}", row[1]), SHOWN_LIMIT, || {
                let answer = front.get(&format!("/reviews/meta?product_id={product}"));
                let (status, meta) = (answer.status, answer.text());
                if status == 200 && meta == row[1] { Ok(()) } else { Err(format!("{status}: {meta}")) }
            });
            asked += 1;
        }
    }
    assert!(asked >= PRODUCTS.count(), "only {asked} products were compared");
}

/// Messages in the queue of dead letters.
fn dead_letters(stack: &Stack) -> u32 {
    let password = stack.operator_env("BROKER_PASSWORD_FILE");
    let address = BrokerAddress::read(&stack.operator_env("BROKER_URL"), Some(Path::new(&password))).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let depths = runtime.block_on(broker::queue_depths(&address, "system test")).unwrap();
    depths.iter().find(|depth| depth.queue == "reviews.dead").unwrap().messages
}
