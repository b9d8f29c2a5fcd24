//! An import beside live writes that is killed half-way and run again.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::sql::Database;
use crate::stack::{Stack, succeeds};
use crate::wait::until;

/// Ids of the imported data, clear of everything else.
const FIRST_PRODUCT: i64 = 20_000_000;
const FIRST_ID: &str = "30000000";
const PRODUCTS: i64 = 800;
const REVIEWS: i64 = 8_000;
/// Reading and checking the files, on a machine that is busy with other things.
const BEGIN_LIMIT: Duration = Duration::from_secs(60);

/// Nothing of the import is lost, nothing doubled, whenever it was cut off.
pub(crate) fn an_import_is_killed_and_run_again(stack: &Stack) {
    let primary = Database::primary(stack);
    let files = stack.data.with_file_name("dataset");
    generate(stack, &files);
    let last_product = FIRST_PRODUCT + PRODUCTS - 1;
    let imported = || {
        primary.number(&format!(
            "SELECT count(*) FROM reviews WHERE product_id BETWEEN {FIRST_PRODUCT} AND {last_product}"
        ))
    };

    let mut first = import(stack, &files).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the import has stored something", BEGIN_LIMIT, || {
        if imported() > 0 { Ok(()) } else { Err(String::new()) }
    });
    first.kill().unwrap();
    first.wait().unwrap();
    let half = imported();
    succeeds(&mut import(stack, &files));
    assert_eq!(imported(), REVIEWS, "after {half} reviews and a kill");
    succeeds(&mut import(stack, &files));
    assert_eq!(imported(), REVIEWS, "after a third run");
    eprintln!("        killed after {half} of {REVIEWS} reviews");
    // One statement sees one moment of the live writes.
    let free =
        primary.column("SELECT (SELECT max(review_id) FROM reviews) < nextval('review_id_seq')") == ["t"];
    assert!(free, "the next id of a review is taken");
}

/// The operations tool on this stack.
pub(crate) fn reviewsctl(stack: &Stack) -> Command {
    let mut reviewsctl =
        Command::new(Path::new(&std::env::var_os("TEST_BIN_DIR").unwrap()).join("reviewsctl"));
    reviewsctl.arg("--env-file").arg(stack.data.join("reviewsctl.env")).stdin(Stdio::null());
    reviewsctl
}

fn import(stack: &Stack, files: &Path) -> Command {
    let mut import = reviewsctl(stack);
    import.args(["import", "--strict"]).arg(files);
    import
}

fn generate(stack: &Stack, files: &Path) {
    let mut generate = reviewsctl(stack);
    generate.arg("generate").arg(files).args(["--seed", "7"]);
    generate.args(["--products", &PRODUCTS.to_string(), "--reviews", &REVIEWS.to_string()]);
    generate.args(["--first-product-id", &FIRST_PRODUCT.to_string(), "--first-review-id", FIRST_ID]);
    generate.args([
        "--first-photo-id",
        FIRST_ID,
        "--first-characteristic-id",
        FIRST_ID,
        "--first-value-id",
        FIRST_ID,
    ]);
    succeeds(&mut generate);
}
