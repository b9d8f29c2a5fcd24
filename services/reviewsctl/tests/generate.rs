//! `reviewsctl generate` as a process: bytes, counts, shape, dirt, and the committed sample.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers below are for tests only")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const FILES: [&str; 4] =
    ["reviews.csv", "reviews_photos.csv", "characteristics.csv", "characteristic_reviews.csv"];

/// A folder of the test's own, empty and not yet made.
fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("generate-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    dir
}

fn generate(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reviewsctl")).arg("generate").arg(dir).args(args).output().unwrap()
}

#[test]
fn a_reader_that_has_gone_does_not_end_it() {
    let dir = folder("gone");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_reviewsctl"));
    command.arg("generate").arg(&dir).args(["--products", "1", "--reviews", "1", "--seed", "1"]);
    let output = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    fs::remove_dir_all(dir).unwrap();
}

/// The four files, in the order of `FILES`, of a run that must succeed.
fn files(name: &str, args: &[&str]) -> [String; 4] {
    let dir = folder(name);
    let output = generate(&dir, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files = FILES.map(|f| fs::read_to_string(dir.join(f)).unwrap());
    assert_eq!(
        fs::read_dir(&dir).unwrap().count(),
        4,
        "something beside the four files in {}",
        dir.display()
    );
    fs::remove_dir_all(dir).unwrap();
    files
}

type Row = BTreeMap<String, String>;
type Test = fn(&Row) -> bool;

fn rows(text: &str) -> Vec<Row> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(|row| row.unwrap()).collect()
}

fn number(row: &Row, column: &str) -> u64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} is no number in {row:?}"))
}

fn column(rows: &[Row], column: &str) -> Vec<u64> {
    rows.iter().map(|row| number(row, column)).collect()
}

/// The ids of a file, which must differ from each other.
fn ids(rows: &[Row]) -> BTreeSet<u64> {
    let ids: BTreeSet<u64> = column(rows, "id").into_iter().collect();
    assert_eq!(ids.len(), rows.len(), "an id occurs twice");
    ids
}

/// How many in a thousand of the rows.
fn rate(rows: &[Row], test: impl Fn(&Row) -> bool) -> usize {
    rows.iter().filter(|row| test(row)).count() * 1000 / rows.len()
}

const SIZE: [&str; 4] = ["--products", "4000", "--reviews", "24000"];

fn sized<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SIZE.iter().chain(more).copied().collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let first = files("seed-first", &sized(&["--seed", "5"]));
    assert!(first == files("seed-again", &sized(&["--seed", "5"])), "the same seed gave other bytes");
    let other = files("seed-other", &sized(&["--seed", "6"]));
    for (name, (a, b)) in FILES.iter().zip(first.iter().zip(&other)) {
        assert!(a != b, "{name} does not depend on the seed");
    }
}

#[test]
fn counts_are_exact_and_every_row_can_be_imported() {
    let [reviews, photos, characteristics, values] =
        files("valid", &sized(&["--seed", "7"])).map(|f| rows(&f));
    assert_eq!(reviews.len(), 24_000);
    let review_ids = ids(&reviews);
    ids(&photos);
    let characteristic_ids = ids(&characteristics);
    ids(&values);
    let products: BTreeSet<u64> = column(&characteristics, "product_id").into_iter().collect();
    assert_eq!(products, (1..=4000).collect());

    for review in &reviews {
        assert!(products.contains(&number(review, "product_id")), "{review:?}");
        assert!((1..=5).contains(&number(review, "rating")), "{review:?}");
        number(review, "helpfulness");
        assert!(
            review["summary"].chars().count() <= 200 && review["body"].chars().count() <= 5000,
            "{review:?}"
        );
        assert!(
            !review["body"].trim().is_empty() && !review["reviewer_name"].trim().is_empty(),
            "{review:?}"
        );
        assert!(review["reviewer_email"].contains('@'), "{review:?}");
        assert!(review.values().all(|text| !text.contains('\0')), "{review:?}");
    }
    assert!(
        photos
            .iter()
            .all(|p| review_ids.contains(&number(p, "review_id")) && p["url"].starts_with("https://"))
    );
    for c in &characteristics {
        assert!(
            ["Size", "Width", "Comfort", "Quality", "Length", "Fit"].contains(&c["name"].as_str()),
            "{c:?}"
        );
    }
    assert_eq!(unique(&characteristics, ["product_id", "name"]), characteristics.len());

    let product_of_review = product_by_id(&reviews);
    let product_of_characteristic = product_by_id(&characteristics);
    for value in &values {
        let (review, characteristic) = (number(value, "review_id"), number(value, "characteristic_id"));
        assert!(review_ids.contains(&review) && characteristic_ids.contains(&characteristic), "{value:?}");
        assert_eq!(product_of_review[&review], product_of_characteristic[&characteristic], "{value:?}");
        assert!((1..=5).contains(&number(value, "value")), "{value:?}");
    }
    assert_eq!(unique(&values, ["review_id", "characteristic_id"]), values.len());
}

fn product_by_id(rows: &[Row]) -> BTreeMap<u64, u64> {
    rows.iter().map(|row| (number(row, "id"), number(row, "product_id"))).collect()
}

fn unique(rows: &[Row], columns: [&str; 2]) -> usize {
    rows.iter().map(|row| columns.map(|c| &row[c])).collect::<BTreeSet<_>>().len()
}

#[test]
fn the_shape_is_the_data_sets() {
    let [reviews, photos, characteristics, values] =
        files("shape", &sized(&["--seed", "8"])).map(|f| rows(&f));
    let mut per_product = BTreeMap::<u64, u64>::new();
    for review in &reviews {
        *per_product.entry(number(review, "product_id")).or_default() += 1;
    }
    assert!((3_740..3_860).contains(&per_product.len()), "{} products with reviews", per_product.len());
    let hottest = per_product.values().max().copied().unwrap_or_default();
    assert!((50..2_000).contains(&hottest), "{hottest} reviews on the hottest product");
    assert!((13_200..14_100).contains(&characteristics.len()), "{} characteristics", characteristics.len());
    assert!((10_200..12_600).contains(&photos.len()), "{} photos", photos.len());
    assert!((75_000..86_000).contains(&values.len()), "{} values", values.len());

    assert!((600..820).contains(&rate(&reviews, |r| number(r, "rating") >= 4)));
    assert!((700..820).contains(&rate(&reviews, |r| ["1", "true"].contains(&r["recommend"].as_str()))));
    assert!((5..16).contains(&rate(&reviews, |r| ["1", "true"].contains(&r["reported"].as_str()))));
    assert!((270..330).contains(&rate(&reviews, |r| r["helpfulness"] == "0")));
    assert!(reviews.iter().any(|r| number(r, "helpfulness") > 1000));
}

#[test]
fn the_dirt_is_there() {
    let [reviews, photos, characteristics, values] = files("dirt", &sized(&["--seed", "9"]));
    // The reader below cannot tell a bare word from a quoted one.
    assert!(reviews.lines().any(|l| l.contains(",null,")) && reviews.lines().any(|l| l.contains("\",,")));
    assert!(!reviews.contains("\"null\""));
    let [reviews, photos, characteristics, values] =
        [reviews, photos, characteristics, values].map(|f| rows(&f));
    let bounds: [(&str, Range<usize>, Test); 10] = [
        ("response null", 400..530, |r| r["response"] == "null"),
        ("response nothing", 400..530, |r| r["response"].is_empty()),
        ("summary above 60", 40..80, |r| r["summary"].chars().count() > 60),
        ("summary missing", 1..12, |r| r["summary"].is_empty()),
        ("body under 50", 80..180, |r| r["body"].chars().count() < 50),
        ("doubled spaces", 200..500, |r| r["body"].contains("  ")),
        ("quotes", 20..50, |r| r["body"].contains('"')),
        ("line breaks", 20..40, |r| r["body"].contains('\n')),
        ("CR LF", 2..20, |r| r["body"].contains("\r\n")),
        ("non-ASCII names", 20..45, |r| !r["reviewer_name"].is_ascii()),
    ];
    for (dirt, expected, test) in bounds {
        let found = rate(&reviews, test);
        assert!(expected.contains(&found), "{dirt}: {found} in a thousand");
    }
    for script in ['é', '\u{1F44D}', 'ה', 'م', '质'] {
        assert!(reviews.iter().any(|r| r["body"].contains(script)), "no body with {script}");
    }

    let mut photos_of = BTreeMap::<u64, u64>::new();
    for photo in &photos {
        *photos_of.entry(number(photo, "review_id")).or_default() += 1;
    }
    assert!(photos_of.values().any(|n| *n > 10), "no review with many photos");
    for (name, rows) in [
        ("reviews", &reviews),
        ("photos", &photos),
        ("characteristics", &characteristics),
        ("values", &values),
    ] {
        let ids = column(rows, "id");
        let highest = ids.iter().max().copied().unwrap_or_default();
        let rows = ids.len() as u64;
        assert!(
            (rows + 1..rows + rows / 50 + 64).contains(&highest),
            "{name}: {rows} rows, highest id {highest}"
        );
        let steps_back = ids.windows(2).filter(|w| w[1] < w[0]).count() as u64;
        assert!(
            (rows / 20..rows / 4).contains(&steps_back),
            "{name}: {steps_back} steps back in {rows} rows"
        );
    }
}

#[test]
fn the_editions_write_dates_and_truth_differently_and_hold_the_same_reviews() {
    let old = files("edition-2019", &sized(&["--seed", "10", "--edition", "2019"]));
    let new = files("edition-2021", &sized(&["--seed", "10", "--edition", "2021"]));
    assert_eq!(old[0].lines().next(), new[0].lines().next());
    assert!(old[1..] == new[1..], "the other three files differ");
    assert!(old[0].contains(",\"2019-"), "dates are quoted");
    let spellings = |rows: &[Row], name: &str| rows.iter().map(|r| r[name].clone()).collect::<BTreeSet<_>>();
    let (old, new) = (rows(&old[0]), rows(&new[0]));
    for name in ["recommend", "reported"] {
        assert_eq!(spellings(&old, name), ["0", "1", "false", "true"].map(String::from).into());
        assert_eq!(spellings(&new, name), ["false", "true"].map(String::from).into());
    }
    assert_eq!(old.len(), new.len());
    for (old, new) in old.iter().zip(&new) {
        let day = chrono::NaiveDate::parse_from_str(&old["date"], "%Y-%m-%d").unwrap();
        let ms = i64::try_from(number(new, "date")).unwrap();
        assert_eq!(chrono::DateTime::from_timestamp_millis(ms).map(|t| t.date_naive()), Some(day));
        assert!(old.iter().zip(new).all(|((name, a), (_, b))| {
            ["date", "recommend", "reported"].contains(&name.as_str()) || a == b
        }));
    }
}

#[test]
fn first_ids_are_respected() {
    let firsts = [
        ("--first-review-id", 1_000_000),
        ("--first-photo-id", 2_000_000),
        ("--first-characteristic-id", 3_000_000),
        ("--first-value-id", 4_000_000),
    ];
    let texts = firsts.map(|(flag, id)| [flag.to_owned(), id.to_string()]).concat();
    let mut args = sized(&["--seed", "11", "--first-product-id", "9007199000000"]);
    args.extend(texts.iter().map(String::as_str));
    let shifted = files("first-ids", &args).map(|f| rows(&f));
    let plain = files("first-ids-plain", &sized(&["--seed", "11"])).map(|f| rows(&f));
    for ((shifted, plain), first) in shifted.iter().zip(&plain).zip(firsts.map(|(_, id)| id)) {
        let expected: Vec<u64> = column(plain, "id").iter().map(|id| id + first - 1).collect();
        assert_eq!(column(shifted, "id"), expected);
    }
    let products: BTreeSet<u64> = column(&shifted[2], "product_id").into_iter().collect();
    assert_eq!(products, (9_007_199_000_000..9_007_199_004_000).collect());
}

#[test]
fn small_and_lopsided_sizes_work() {
    for (products, reviews) in [("1", "0"), ("1", "1"), ("1", "5000"), ("500", "20"), ("3", "2")] {
        let [written, _, characteristics, _] =
            files("small", &["--products", products, "--reviews", reviews, "--seed", "1"]).map(|f| rows(&f));
        assert_eq!(written.len().to_string(), reviews);
        let with_characteristics: BTreeSet<u64> =
            column(&characteristics, "product_id").into_iter().collect();
        assert_eq!(with_characteristics.len().to_string(), products);
    }
}

#[test]
fn a_folder_with_content_is_refused_unless_forced() {
    let dir = folder("refused");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("reviews.csv"), "precious").unwrap();
    let args = ["--products", "10", "--reviews", "60", "--seed", "1"];
    let refused = generate(&dir, &args);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("is not empty (it holds reviews.csv)") && said.contains("--force"), "{said}");
    assert_eq!(fs::read_to_string(dir.join("reviews.csv")).unwrap(), "precious");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "a refused run left something");

    assert!(generate(&dir, &[&args[..], &["--force"]].concat()).status.success());
    assert_eq!(rows(&fs::read_to_string(dir.join("reviews.csv")).unwrap()).len(), 60);
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_killed_run_leaves_nothing_that_looks_finished_and_can_be_run_again() {
    let dir = folder("killed");
    let mut run = Command::new(env!("CARGO_BIN_EXE_reviewsctl"));
    run.arg("generate").arg(&dir).args(["--products", "1000000", "--reviews", "6000000", "--seed", "1"]);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while fs::metadata(dir.join(".reviews.csv.partial")).map_or(0, |m| m.len()) == 0 {
        assert!(Instant::now() < deadline && run.try_wait().unwrap().is_none(), "the run wrote nothing");
        std::thread::yield_now();
    }
    run.kill().unwrap();
    assert!(!run.wait().unwrap().success(), "the run ended before it was killed");
    assert_eq!(FILES.map(|f| dir.join(f).exists()), [false; 4]);

    let again = generate(&dir, &["--products", "10", "--reviews", "60", "--seed", "1"]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 4, "partial files were left");
    assert_eq!(rows(&fs::read_to_string(dir.join("reviews.csv")).unwrap()).len(), 60);
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn bad_arguments_are_refused() {
    for args in [
        ["--products", "0", "--reviews", "1", "--seed", "1"],
        ["--products", "1", "--reviews", "-1", "--seed", "1"],
        ["--products", "1", "--reviews", "1", "--seed", "x"],
    ] {
        let dir = folder("bad");
        assert!(!generate(&dir, &args).status.success(), "{args:?}");
        assert!(!dir.exists(), "{args:?} made the folder");
    }
}

fn sample() -> [String; 4] {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../compose/sample");
    FILES.map(|f| fs::read_to_string(dir.join(f)).unwrap())
}

/// Pins the generator's bytes too: they may not change without making the sample again.
#[test]
fn the_committed_sample_is_what_its_readme_makes() {
    let args = "--products 1000 --reviews 6000 --seed 2 --edition 2019 --first-product-id 8 --first-review-id 15 \
                --first-photo-id 10 --first-characteristic-id 26 --first-value-id 42";
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../compose/sample/README.md");
    let readme = fs::read_to_string(readme).unwrap().replace("\\\n", " ");
    let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>().join(" ");
    assert!(words(&readme).contains(&words(args)), "the README gives another command");

    let generated = files("sample", &args.split_whitespace().collect::<Vec<_>>());
    for ((name, sample), (generated, head)) in
        FILES.iter().zip(sample()).zip(generated.iter().zip([15, 10, 26, 42]))
    {
        let (header, rest) = generated.split_once('\n').unwrap();
        assert_eq!(sample.lines().next(), Some(header), "{name}");
        let by_hand: usize = sample.split_inclusive('\n').take(head).map(str::len).sum();
        assert!(&sample[by_hand..] == rest, "{name}: the generated part differs");
    }
}

#[test]
fn the_sample_holds_the_golden_products() {
    let [reviews, photos, characteristics, values] = sample().map(|f| rows(&f));
    let dates: BTreeSet<&str> = reviews[..14].iter().map(|r| r["date"].as_str()).collect();
    assert!(dates.len() == 14 && dates.iter().all(|d| d.starts_with("2019-")), "{dates:?}");
    let golden: Vec<(u64, u64, u64, bool)> = reviews
        .iter()
        .map(|r| {
            (
                number(r, "id"),
                number(r, "product_id"),
                number(r, "rating"),
                r["recommend"].starts_with(['1', 't']),
            )
        })
        .filter(|(id, ..)| *id <= 14)
        .collect();
    let (t, f) = (true, false);
    let expected = [
        (1, 1, 5, t),
        (2, 1, 4, f),
        (3, 2, 4, t),
        (4, 2, 4, t),
        (5, 2, 3, t),
        (6, 2, 5, f),
        (7, 2, 2, f),
        (8, 4, 4, t),
        (9, 4, 5, t),
        (10, 4, 2, f),
        (11, 5, 4, t),
        (12, 5, 3, t),
        (13, 7, 5, t),
        (14, 7, 1, f),
    ];
    assert_eq!(golden, expected);
    assert!(reviews.iter().all(|r| (number(r, "product_id") < 8) == (number(r, "id") <= 14)));
    let reported = |r: &&Row| number(r, "id") <= 14 && r["reported"].starts_with(['1', 't']);
    assert_eq!(reviews.iter().filter(reported).map(|r| number(r, "id")).collect::<Vec<_>>(), [14]);
    let of_golden: Vec<(u64, u64)> =
        photos.iter().map(|p| (number(p, "id"), number(p, "review_id"))).filter(|(_, r)| *r <= 14).collect();
    assert_eq!(of_golden, [(1, 5), (2, 5), (3, 5), (4, 9), (5, 9), (6, 9), (7, 10), (8, 10), (9, 10)]);

    let averages: Vec<String> = characteristics
        .iter()
        .filter(|c| number(c, "product_id") < 8)
        .map(|c| {
            let given: Vec<u64> = values
                .iter()
                .filter(|v| v["characteristic_id"] == c["id"])
                .map(|v| number(v, "value"))
                .collect();
            let (product, name, id) = (&c["product_id"], &c["name"], &c["id"]);
            format!("{product} {name} {id}: {}/{}", given.iter().sum::<u64>(), given.len())
        })
        .collect();
    let expected = "\
        1 Fit 1: 8/2, 1 Length 2: 7/2, 1 Comfort 3: 10/2, 1 Quality 4: 8/2, 2 Quality 5: 21/5, \
        3 Fit 6: 0/0, 3 Length 7: 0/0, 3 Comfort 8: 0/0, 3 Quality 9: 0/0, \
        4 Fit 10: 11/3, 4 Length 11: 11/3, 4 Comfort 12: 11/3, 4 Quality 13: 11/3, \
        5 Size 14: 8/2, 5 Width 15: 7/2, 5 Comfort 16: 8/2, 5 Quality 17: 7/2, \
        6 Fit 18: 0/0, 6 Length 19: 0/0, 6 Comfort 20: 0/0, 6 Quality 21: 0/0, \
        7 Size 22: 5/2, 7 Width 23: 9/2, 7 Comfort 24: 10/2, 7 Quality 25: 7/2";
    assert_eq!(averages.join(", "), expected);
}
