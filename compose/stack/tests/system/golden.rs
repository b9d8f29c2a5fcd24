//! What a front end gets for the sample's products that were written by hand, byte for byte.

use crate::http::{Front, Request};

/// A request's target, then the whole body of its answer, then an empty line; derived by hand from the
/// contract's rules and the files in `compose/sample`, not from what the program answered.
const GOLDEN: &str = include_str!("golden.txt");

fn golden() -> impl Iterator<Item = (&'static str, &'static str)> {
    GOLDEN.split("\n\n").map(|entry| entry.trim().split_once('\n').expect("a target and a body"))
}

/// Every golden answer, with and without a slash at the path's end, and by HEAD.
pub(crate) fn answers_are_exact(front: Front) {
    for (target, body) in golden() {
        for target in [target.to_owned(), with_slash(target)] {
            let answer = front.get(&target);
            assert_eq!((answer.status, answer.text().as_str()), (200, body), "GET {target}");
            assert_eq!(answer.all("content-type"), ["application/json"], "GET {target}");
            assert_eq!(answer.all("access-control-allow-origin"), ["*"], "GET {target}");
            let head = front.ask(&Request::new("HEAD", &target));
            assert_eq!((head.status, head.text().as_str()), (200, ""), "HEAD {target}");
            assert_eq!(head.all("content-length"), [body.len().to_string()], "HEAD {target}");
            assert_eq!(head.all("content-type"), ["application/json"], "HEAD {target}");
        }
    }
}

fn with_slash(target: &str) -> String {
    match target.split_once('?') {
        Some((path, query)) => format!("{path}/?{query}"),
        None => format!("{target}/"),
    }
}

/// Other ways to ask for the same, as front ends do.
pub(crate) fn other_spellings_mean_the_same(front: Front) {
    for (spelling, means) in [
        ("/reviews/2/list?sort=", "/reviews/2/list?sort=newest"),
        ("/reviews/2/list?sort=%22helpful%22", "/reviews/2/list?sort=newest"),
        ("/reviews/2/list?sort='helpful'", "/reviews/2/list?sort=newest"),
        ("/reviews/2/list?sort=HELPFUL", "/reviews/2/list?sort=newest"),
        ("/reviews/2/list?sort=date;drop+table+reviews", "/reviews/2/list?sort=newest"),
        ("/reviews/2/list?page=&count=&sort", "/reviews/2/list"),
        ("/reviews/2/list?page=0", "/reviews/2/list"),
        ("/reviews/2/list?unknown=1&utm_source=mail", "/reviews/2/list"),
        ("/reviews/2/list?product_id=4", "/reviews/2/list"),
        ("/reviews/2/list?page=2&count=2&page=1&count=5", "/reviews/2/list?page=2&count=2"),
        ("/reviews/2/list?sort=helpful&sort=newest", "/reviews/2/list?sort=helpful"),
        ("/reviews/%32/list", "/reviews/2/list"),
        ("/reviews?product_id=2&sort=", "/reviews?product_id=2&sort=relevant"),
        ("/reviews?product_id=2&sort=%22newest%22", "/reviews?product_id=2&sort=relevant"),
        ("/reviews?product_id=2&sort=rating", "/reviews?product_id=2&sort=relevant"),
        ("/reviews?product_id=2&product_id=4", "/reviews?product_id=2"),
        ("/reviews?product_id=2&page=0&count=", "/reviews?product_id=2"),
        ("/reviews?sort=helpful&product_id=2", "/reviews?product_id=2&sort=helpful"),
        ("/reviews?%70roduct_id=2", "/reviews?product_id=2"),
        ("/reviews/meta?product_id=2&product_id=abc", "/reviews/meta?product_id=2"),
    ] {
        let (one, other) = (front.get(spelling), front.get(means));
        assert_eq!(one.status, 200, "GET {spelling}: {}", one.text());
        assert_eq!(one.text(), other.text(), "GET {spelling} is not GET {means}");
    }
}

/// The generated product with the most reviews: pages follow each other without a gap or a repeat.
pub(crate) fn pages_never_shuffle(front: Front) {
    for sort in ["newest", "helpful", "relevant"] {
        let ids = |page: usize, count: usize| -> Vec<i64> {
            let list = front.json(&format!("/reviews/760/list?sort={sort}&page={page}&count={count}"));
            let results = list["results"].as_array().expect("results").iter();
            results.map(|review| review["review_id"].as_i64().expect("review_id")).collect()
        };
        let whole = ids(1, 1000);
        assert_eq!(whole.len(), 158, "sort={sort}");
        let paged: Vec<i64> = (1..=17).flat_map(|page| ids(page, 10)).collect();
        assert_eq!(paged, whole, "sort={sort}");
    }
}
