//! `reviewsctl import` against a real database: what it stores, what it refuses, and what it says.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use sqlx::PgPool;
use std::path::Path;
use support::{Folder, content, counts, finished, import, imported, post, reviewsctl, rows, stderr, url};
use testkit::{assert_log_is_whole, fold_of_log, primary_database};

const REVIEWS_2019: &str = r#"2,1,4,"2019-01-11","Nearly  perfect","He said ""good"",
and meant it.",0,0,"b","b@example.com","Thank you!",8
1,1,5,"2019-01-01",,"Short.",true,false,"a","a@example.com",null,10
14,7,1,"2019-10-27","Elsewhere","Buy elsewhere.",FALSE,True,"c","c@example.com",,0
"#;
const REVIEWS_2021: &str = r#"2,1,4,1547164800000,"Nearly  perfect","He said ""good"",
and meant it.",false,false,"b","b@example.com","Thank you!",8
1,1,5,1546300800000,"","Short.",true,false,"a","a@example.com","null",10
14,7,1,1572134400000,"Elsewhere","Buy elsewhere.",false,true,"c","c@example.com","null",0
"#;
const SOME_PHOTOS: &str = "2,1,\"https://x/2\"\n1,1,\"https://x/1\"\n";
const SOME_CHARACTERISTICS: &str = "2,1,\"Length\"\n1,1,\"Fit\"\n9,3,\"Quality\"\n";
const SOME_VALUES: &str = "1,1,1,4\n2,2,1,3\n3,1,2,5\n";

async fn logged(pool: &PgPool) -> Vec<String> {
    rows(
        pool,
        "SELECT format('%s %s %s %s %s', part, pos, version, type, payload) FROM event_log ORDER BY part, pos",
    )
    .await
}

async fn stored(pool: &PgPool) -> Vec<String> {
    rows(
        pool,
        "SELECT concat_ws('|', part, review_id, product_id, rating, date AT TIME ZONE 'UTC', summary, body, recommend,
                          reviewer_name, reviewer_email, coalesce(response, '(none)'), helpfulness, relevance,
                          hidden_by_moderation, hidden_by_reports, photos, characteristics)
         FROM reviews ORDER BY review_id",
    )
    .await
}

#[tokio::test]
async fn both_editions_become_the_same_rows_and_events() {
    let mut contents = Vec::new();
    for reviews in [REVIEWS_2019, REVIEWS_2021] {
        let database = primary_database().await;
        let folder = Folder::with(reviews, SOME_PHOTOS, SOME_CHARACTERISTICS, SOME_VALUES);
        let said = imported(&database, &folder).await;
        assert_eq!(counts(&said, "reviews.csv"), [3, 3, 0, 0], "{said}");
        assert_eq!(counts(&said, "characteristic_reviews.csv"), [3, 3, 0, 0], "{said}");
        assert_log_is_whole(&database.pool).await;
        assert_eq!(
            stored(&database.pool).await,
            [
                "1|1|1|5|2019-01-01 00:00:00||Short.|t|a|a@example.com|(none)|10|3|f|f|\
                 [{\"id\": 1, \"url\": \"https://x/1\"}, {\"id\": 2, \"url\": \"https://x/2\"}]|{\"1\": 4, \"2\": 3}",
                "1|2|1|4|2019-01-11 00:00:00|Nearly  perfect|He said \"good\",\nand meant it.|f|b|b@example.com|\
                 Thank you!|8|3|f|f|[]|{\"1\": 5}",
                "7|14|7|1|2019-10-27 00:00:00|Elsewhere|Buy elsewhere.|f|c|c@example.com|(none)|0|0|t|f|[]|{}",
            ]
        );
        let characteristics =
            r#"{"characteristics" : [{"id" : 1, "name" : "Fit"}, {"id" : 2, "name" : "Length"}]}"#;
        assert_eq!(
            logged(&database.pool).await,
            [
                format!("1 1 1 CharacteristicsDefined.v1 {characteristics}"),
                "1 2 2 ReviewPosted.v1 {\"review_id\" : 1, \"rating\" : 5, \"recommend\" : true, \
                 \"characteristics\" : {\"1\": 4, \"2\": 3}}"
                    .to_owned(),
                "1 3 3 ReviewPosted.v1 {\"review_id\" : 2, \"rating\" : 4, \"recommend\" : false, \
                 \"characteristics\" : {\"1\": 5}}"
                    .to_owned(),
                "3 1 1 CharacteristicsDefined.v1 {\"characteristics\" : [{\"id\" : 9, \"name\" : \"Quality\"}]}".to_owned(),
                "7 1 1 ReviewPosted.v1 {\"review_id\" : 14, \"rating\" : 1, \"recommend\" : false, \
                 \"characteristics\" : {}}"
                    .to_owned(),
            ]
        );
        contents.push(content(&database.pool).await);
        // The next ids are free, and a post has the payload's shape.
        let posted = post(&database, 1, 3).await;
        assert_eq!(posted, 15);
        let last = "SELECT payload::text FROM outbox";
        assert_eq!(
            rows(&database.pool, last).await,
            ["{\"review_id\" : 15, \"rating\" : 3, \"recommend\" : true, \"characteristics\" : {}}"]
        );
    }
    assert_eq!(contents[0], contents[1]);
}

#[tokio::test]
async fn an_import_again_changes_nothing_and_a_larger_one_adds_the_rest() {
    let database = primary_database().await;
    let folder = Folder::with(REVIEWS_2019, SOME_PHOTOS, SOME_CHARACTERISTICS, SOME_VALUES);
    imported(&database, &folder).await;
    // A vote in between is no other content.
    let voted = testkit::vote(&database.pool, 2.try_into().unwrap(), primary::VoteKind::Helpful).await;
    assert!(voted.is_some());
    let before = content(&database.pool).await;
    let said = imported(&database, &folder).await;
    assert_eq!(counts(&said, "reviews.csv"), [3, 0, 3, 0], "{said}");
    assert_eq!(counts(&said, "reviews_photos.csv"), [2, 0, 2, 0], "{said}");
    assert_eq!(counts(&said, "characteristics.csv"), [3, 0, 3, 0], "{said}");
    assert_eq!(counts(&said, "characteristic_reviews.csv"), [3, 0, 3, 0], "{said}");
    assert_eq!(content(&database.pool).await, before);
    assert_eq!(rows(&database.pool, "SELECT count(*)::text FROM staging.values").await, ["0"]);

    let more = Folder::with(
        &format!("{REVIEWS_2019}15,1,2,\"2020-01-01\",,\"More.\",1,0,d,d@example.com,,0\n"),
        &format!("{SOME_PHOTOS}3,15,https://x/3\n"),
        &format!("{SOME_CHARACTERISTICS}3,1,Comfort\n"),
        &format!("{SOME_VALUES}4,3,15,2\n5,1,15,1\n"),
    );
    let said = imported(&database, &more).await;
    assert_eq!(counts(&said, "reviews.csv"), [4, 1, 3, 0], "{said}");
    assert_eq!(counts(&said, "characteristic_reviews.csv"), [5, 2, 3, 0], "{said}");
    assert_log_is_whole(&database.pool).await;
    // The vote, which was still in the outbox, comes before what was imported after it.
    let versions = "SELECT format('%s %s', version, type) FROM event_log WHERE product_id = 1 ORDER BY pos";
    assert_eq!(
        rows(&database.pool, versions).await[3..],
        ["4 ReviewMarkedHelpful.v1", "5 CharacteristicsDefined.v1", "6 ReviewPosted.v1"]
    );
    let sums: Vec<_> = fold_of_log(&database.pool).await[&1]
        .characteristics
        .iter()
        .map(|c| (c.id.get(), c.name.clone(), c.count, c.sum))
        .collect();
    assert_eq!(
        sums,
        [(1, "Fit".to_owned(), 3, 10), (2, "Length".to_owned(), 1, 3), (3, "Comfort".to_owned(), 1, 2)]
    );
}

/// Every reason, each with the line that it is about.
async fn rejecting(args: &[&str]) -> (testkit::TestDatabase, Folder, std::process::Output) {
    let database = primary_database().await;
    let stored = Folder::with(
        "50,2,5,2019-01-01,s,b,1,0,n,e,,0\n51,2,5,2019-01-01,s,b,1,0,n,e,,0\n",
        "50,50,https://x/50\n",
        "50,2,Fit\n51,2,Size\n",
        "1,50,50,5\n",
    );
    imported(&database, &stored).await;
    let folder = Folder::with(
        // From line 2 on; 12 is the only one that is good and new, 50 is stored already.
        "0,1,5,2019-01-01,s,b,1,0,n,e,,0\n\
         10,x,5,2019-01-01,s,b,1,0,n,e,,0\n\
         10,1,6,2019-01-01,s,b,1,0,n,e,,0\n\
         10,1,5,2019-02-30,s,b,1,0,n,e,,0\n\
         10,1,5,2019-01-01,s,b,perhaps,0,n,e,,0\n\
         10,1,5,2019-01-01,s,b,1,-,n,e,,0\n\
         10,1,5,2019-01-01,s,b,1,0,n,e,,2147483647\n\
         10,1,5,2019-01-01,s,b,1,0,n,e,0\n\
         9007199254740991,1,5,2019-01-01,s,b,1,0,n,e,,0\n\
         12,1,5,2019-01-01,s,\"two\nlines\",1,0,n,e,,0\n\
         12,1,5,2019-01-01,s,\"two\nlines\",1,0,n,e,,0\n\
         51,2,4,2019-01-01,s,b,1,0,n,e,,0\n\
         50,2,5,2019-01-01,s,b,1,0,n,e,,0\n\
         13,1,5,2019-01-01,\"open,b,1,0,n,e,,0\n\
         14,1,5,2019-01-01,s,\"b\",1,0,n,e,,0\n",
        "60,12,https://x/60\n60,12,https://x/60b\n61,12,\" \"\n50,12,https://x/50\n62,99,https://x/62\n\
         63,50,https://x/63\n50,50,https://x/50\n",
        "60,1,Fit\n60,1,Size\n61,1,Fit\n50,1,Comfort\n62,2,Size\n63,1,\n64,1,Abcdefghijabcdefghijabcdefghij1\n51,2,Size\n",
        "1,60,12,5\n2,60,12,5\n3,50,12,5\n4,60,12,0\n5,60,99,5\n6,51,50,5\n7,50,50,5\n8,50,50,4\n9,51,51,3\n",
    );
    let mut bytes = folder.read("reviews.csv").into_bytes();
    bytes.extend_from_slice(b"15,1,5,2019-01-01,s,b\xff,1,0,n,e,,0\n16,1,5,2019-01-01,s\0,b,1,0,n,e,,0\n");
    folder.write("reviews.csv", bytes);
    let output = finished(import(&database, &folder, args)).await;
    (database, folder, output)
}

const REASONS: &str = r#"file,line,reason
characteristic_reviews.csv,3,review 12 has a value for characteristic 60 already
characteristic_reviews.csv,4,"characteristic 50 is not one of product 1, which review 12 is of"
characteristic_reviews.csv,5,"value ""0"" is not a whole number from 1 to 5"
characteristic_reviews.csv,6,review 99 is neither stored nor among the lines taken
characteristic_reviews.csv,7,"review 50 is stored already, without this value"
characteristic_reviews.csv,9,review 50 has a value for characteristic 50 already
characteristic_reviews.csv,10,"review 51 is stored already, without this value"
characteristics.csv,3,characteristic 60 is in line 2 already
characteristics.csv,4,Fit of product 1 is characteristic 60 already
characteristics.csv,5,"characteristic 50 is stored already, as Fit of product 2"
characteristics.csv,6,Size of product 2 is characteristic 51 already
characteristics.csv,7,name is blank
characteristics.csv,8,name is longer than 30 characters
reviews.csv,2,"id ""0"" is not a whole number from 1 to 9007199254740991"
reviews.csv,3,"product_id ""x"" is not a whole number from 1 to 9007199254740991"
reviews.csv,4,"rating ""6"" is not a whole number from 1 to 5"
reviews.csv,5,"date ""2019-02-30"" is neither YYYY-MM-DD, nor RFC 3339, nor milliseconds since 1970"
reviews.csv,6,"recommend ""perhaps"" is neither true nor false"
reviews.csv,7,"reported ""-"" is neither true nor false"
reviews.csv,8,"helpfulness ""2147483647"" is not a whole number from 0 to 2147483646"
reviews.csv,9,"the number of fields is 11, not 12"
reviews.csv,10,"id ""9007199254740991"" leaves no room for new ids: at most 9006199254740991"
reviews.csv,13,review 12 is in line 11 already
reviews.csv,15,review 51 is already stored with other content
reviews.csv,17,"the number of fields is 11, not 12; with the line after it, as a quote is open there"
reviews.csv,19,"body is not UTF-8, from its byte 2 on"
reviews.csv,20,summary contains the character U+0000
reviews_photos.csv,3,photo 60 is in line 2 already
reviews_photos.csv,4,url is blank
reviews_photos.csv,5,"photo 50 is stored already, as one of review 50"
reviews_photos.csv,6,review 99 is neither stored nor among the lines taken
reviews_photos.csv,7,"review 50 is stored already, without this photo"
"#;

#[tokio::test]
async fn every_line_that_cannot_be_taken_is_named_with_its_reason() {
    let file = Folder::new();
    let path = file.path().join("rejects.csv");
    let (database, _folder, output) = rejecting(&["--rejects", path.to_str().unwrap()]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(file.read("rejects.csv"), REASONS);
    assert_eq!(stderr(&output), format!("32 lines were not taken: see {}\n", path.display()));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(counts(&said, "reviews.csv"), [16, 1, 1, 14], "{said}");
    assert_eq!(counts(&said, "reviews_photos.csv"), [7, 1, 1, 5], "{said}");
    assert_eq!(counts(&said, "characteristics.csv"), [8, 1, 1, 6], "{said}");
    assert_eq!(counts(&said, "characteristic_reviews.csv"), [9, 1, 1, 7], "{said}");
    assert_log_is_whole(&database.pool).await;
    assert_eq!(
        rows(
            &database.pool,
            "SELECT concat_ws(' ', body, photos, characteristics) FROM reviews WHERE part = 1"
        )
        .await,
        ["two\nlines [{\"id\": 60, \"url\": \"https://x/60\"}] {\"60\": 5}"]
    );
}

#[tokio::test]
async fn a_rejects_file_that_is_an_input_is_refused_and_left_as_it_is() {
    let folder = Folder::with(REVIEWS_2019, SOME_PHOTOS, SOME_CHARACTERISTICS, SOME_VALUES);
    let path = folder.path();
    std::os::unix::fs::symlink(path.join("characteristics.csv"), path.join("symbolic")).unwrap();
    std::fs::hard_link(path.join("characteristic_reviews.csv"), path.join("hard")).unwrap();
    let around = path.join("..").join(path.file_name().unwrap());
    for (rejects, input) in [
        (path.join("reviews.csv"), "reviews.csv"),
        (around.join("reviews_photos.csv"), "reviews_photos.csv"),
        (path.join("symbolic"), "characteristics.csv"),
        (path.join("hard"), "characteristic_reviews.csv"),
    ] {
        let before = folder.read(input);
        let mut command = reviewsctl();
        // Nothing listens there: it is refused before the database is asked.
        command.env("PRIMARY_URL", "postgres://a@127.0.0.1:1/b").arg("import").arg(path);
        command.arg("--rejects").arg(&rejects);
        let output = finished(command).await;
        assert_eq!(output.status.code(), Some(1));
        let refused = format!(
            "reviewsctl: --rejects {} is the data set's own {input}, which it would overwrite: name another file\n",
            rejects.display()
        );
        assert_eq!(stderr(&output), refused);
        assert_eq!(folder.read(input), before);
    }
}

#[tokio::test]
async fn a_primary_that_is_away_is_named_with_its_address_once() {
    let folder = Folder::with(REVIEWS_2019, SOME_PHOTOS, SOME_CHARACTERISTICS, SOME_VALUES);
    let mut command = reviewsctl();
    command.env("PRIMARY_URL", "postgres://a@127.0.0.1:1/b").arg("import").arg(folder.path());
    let output = finished(command).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "reviewsctl: the primary database is away (127.0.0.1:1/b): connection refused; \
         start it (`cargo stack start primary`) or check PRIMARY_URL\n"
    );
}

#[tokio::test]
async fn without_a_file_the_first_ten_are_shown() {
    let (_database, _folder, output) = rejecting(&[]).await;
    assert!(output.status.success());
    let said = stderr(&output);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 11, "{said}");
    assert_eq!(
        lines[0],
        "characteristic_reviews.csv line 3: review 12 has a value for characteristic 60 already"
    );
    assert_eq!(lines[10], "32 lines were not taken, the first 10 are above: --rejects FILE writes them all");
}

#[tokio::test]
async fn strict_imports_all_or_nothing() {
    let (database, _folder, output) = rejecting(&["--strict"]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.ends_with("\nreviewsctl: nothing was imported, because of --strict\n"), "{said}");
    assert_eq!(rows(&database.pool, "SELECT review_id::text FROM reviews ORDER BY 1").await, ["50", "51"]);
    assert_eq!(rows(&database.pool, "SELECT count(*)::text FROM characteristics").await, ["2"]);
    assert_log_is_whole(&database.pool).await;

    let clean = Folder::with("12,1,5,2019-01-01,s,b,1,0,n,e,,0\n", "", "", "");
    let output = finished(import(&database, &clean, &["--strict"])).await;
    assert!(output.status.success(), "{}", stderr(&output));
}

#[tokio::test]
async fn what_was_rejected_is_rejected_again_and_nothing_else_happens() {
    let (database, folder, _) = rejecting(&[]).await;
    let before = content(&database.pool).await;
    let file = Folder::new();
    let path = file.path().join("rejects.csv");
    let output = finished(import(&database, &folder, &["--rejects", path.to_str().unwrap()])).await;
    assert!(output.status.success(), "{}", stderr(&output));
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(',').take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(lines(&file.read("rejects.csv")), lines(REASONS));
    assert_eq!(content(&database.pool).await, before);
}

#[tokio::test]
async fn an_id_that_a_live_writer_took_is_refused_and_the_writers_review_stays() {
    let database = primary_database().await;
    let posted = post(&database, 5, 2).await;
    assert_eq!(posted, 1);
    let folder = Folder::with(REVIEWS_2019, SOME_PHOTOS, SOME_CHARACTERISTICS, SOME_VALUES);
    let output = finished(import(&database, &folder, &[])).await;
    let said = stderr(&output);
    assert!(said.contains("reviews.csv line 4: review 1 is already stored with other content\n"), "{said}");
    assert!(
        said.contains("reviews_photos.csv line 2: review 1 is stored already, without this photo\n"),
        "{said}"
    );
    assert_eq!(
        rows(&database.pool, "SELECT format('%s %s', review_id, product_id) FROM reviews ORDER BY review_id")
            .await,
        ["1 5", "2 1", "14 7"]
    );
    let mut connection = database.pool.acquire().await.unwrap();
    primary::sequence_events(&mut connection).await.unwrap();
    assert_log_is_whole(&database.pool).await;
}

#[tokio::test]
async fn bad_files_are_refused_before_anything_is_written() {
    let database = primary_database().await;
    let folder = Folder::with(REVIEWS_2019, SOME_PHOTOS, SOME_CHARACTERISTICS, SOME_VALUES);
    std::fs::remove_file(folder.path().join("characteristics.csv")).unwrap();
    let missing = stderr(&finished(import(&database, &folder, &[])).await);
    let path = folder.path().join("characteristics.csv");
    assert_eq!(
        missing,
        format!(
            "reviewsctl: cannot read {}: a data set is a folder with the four files: \
             No such file or directory (os error 2)\n",
            path.display()
        )
    );
    folder.write("characteristics.csv", "id,product,name\n1,1,Fit\n");
    let header = stderr(&finished(import(&database, &folder, &[])).await);
    assert_eq!(
        header,
        "reviewsctl: characteristics.csv has no column product_id: its first line must name id,product_id,name\n"
    );
    // A quote that nothing closes would swallow the rest: no line after it can be trusted.
    let mut open = b"id,product_id,name\n1,1,Fit\n2,1,\"Size\n".to_vec();
    open.resize(3 << 20, b'x');
    folder.write("characteristics.csv", open);
    let output = finished(import(&database, &folder, &[])).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).starts_with("reviewsctl: characteristics.csv cannot be read from line 3 on: "),
        "{}",
        stderr(&output)
    );
    assert!(content(&database.pool).await.is_empty());
}

#[tokio::test]
async fn the_sample_is_clean_and_gives_the_golden_products() {
    let database = primary_database().await;
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../compose/sample");
    let mut command = reviewsctl();
    command.env("PRIMARY_URL", url(&database)).arg("import").arg(sample).arg("--strict");
    let output = finished(command).await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_log_is_whole(&database.pool).await;
    let products = fold_of_log(&database.pool).await;
    let shown = |product: i64| {
        let meta = &products[&product];
        let values: Vec<String> = meta
            .characteristics
            .iter()
            .map(|c| format!("{} {}: {}/{}", c.name, c.id.get(), c.sum, c.count))
            .collect();
        (meta.ratings, meta.recommended_false, meta.recommended_true, values.join(", "))
    };
    let golden = [
        (1, [0, 0, 0, 1, 1], 1, 1, "Fit 1: 8/2, Length 2: 7/2, Comfort 3: 10/2, Quality 4: 8/2"),
        (2, [0, 1, 1, 2, 1], 2, 3, "Quality 5: 21/5"),
        (3, [0; 5], 0, 0, "Fit 6: 0/0, Length 7: 0/0, Comfort 8: 0/0, Quality 9: 0/0"),
        (4, [0, 1, 0, 1, 1], 1, 2, "Fit 10: 11/3, Length 11: 11/3, Comfort 12: 11/3, Quality 13: 11/3"),
        (5, [0, 0, 1, 1, 0], 0, 2, "Size 14: 8/2, Width 15: 7/2, Comfort 16: 8/2, Quality 17: 7/2"),
        (7, [1, 0, 0, 0, 1], 1, 1, "Size 22: 5/2, Width 23: 9/2, Comfort 24: 10/2, Quality 25: 7/2"),
    ];
    for (product, ratings, no, yes, values) in golden {
        assert_eq!(shown(product), (ratings, no, yes, values.to_owned()), "product {product}");
    }
    let photos = "SELECT format('%s: %s', review_id, jsonb_array_length(photos)) FROM reviews
                  WHERE review_id <= 14 AND photos <> '[]' ORDER BY review_id";
    assert_eq!(rows(&database.pool, photos).await, ["5: 3", "9: 3", "10: 3"]);
}

#[tokio::test]
async fn columns_may_stand_in_any_order_beside_others_behind_a_byte_order_mark() {
    let database = primary_database().await;
    let folder = Folder::with(REVIEWS_2019, "", "", "");
    folder.write("characteristics.csv", "\u{feff}name,more,ID,product_id\r\nFit,x,3,1\r\n");
    imported(&database, &folder).await;
    let found = "SELECT format('%s %s %s', product_id, characteristic_id, name) FROM characteristics";
    assert_eq!(rows(&database.pool, found).await, ["1 3 Fit"]);
}

#[tokio::test]
async fn a_product_with_very_many_reviews_is_appended_in_pieces() {
    let database = primary_database().await;
    let reviews: String =
        (1..=12_000).map(|id| format!("{id},64,{},{},,b,1,0,n,e,,0\n", id % 5 + 1, 12_000 - id)).collect();
    let folder = Folder::with(&reviews, "", "1,64,Fit\n2,128,Fit\n", "1,1,12000,4\n");
    imported(&database, &folder).await;
    assert_log_is_whole(&database.pool).await;
    let product = &fold_of_log(&database.pool).await[&64];
    assert_eq!((product.version.0, product.ratings), (12_001, [2400; 5]));
    // By date, which runs against the ids here.
    let last =
        "SELECT payload ->> 'review_id' FROM event_log WHERE product_id = 64 ORDER BY version DESC LIMIT 1";
    assert_eq!(rows(&database.pool, last).await, ["1"]);
    let transactions = "SELECT count(DISTINCT at)::text FROM event_log WHERE product_id = 64";
    assert_eq!(rows(&database.pool, transactions).await, ["3"]);
    let identities = "SELECT format('%s of %s', count(DISTINCT event_id), count(*)) FROM event_log";
    assert_eq!(rows(&database.pool, identities).await, ["12002 of 12002"]);
}

#[tokio::test]
async fn settings_that_are_missing_are_named() {
    let folder = Folder::with("", "", "", "");
    let mut command = reviewsctl();
    command.arg("import").arg(folder.path());
    let said = stderr(&finished(command).await);
    assert!(said.starts_with("reviewsctl: PRIMARY_URL is not set: set it, as postgres://"), "{said}");

    let database = primary_database().await;
    folder.write("settings", format!("# a comment\nPRIMARY_URL={}\n", url(&database)));
    let mut command = reviewsctl();
    command.arg("import").arg(folder.path()).arg("--env-file").arg(folder.path().join("settings"));
    let output = finished(command).await;
    assert!(output.status.success(), "{}", stderr(&output));
}
