//! The whole system as real processes, through its front door: the sample's answers, odd requests, and bad
//! days. Each check has a name; a failure says which it was.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail as the test does"
)]
#![expect(clippy::print_stderr, reason = "the names and times of the checks, and the logs of a failed stack")]

mod http;
mod sql;
mod stack;
mod wait;

mod commands;
mod contract;
mod golden;
mod odd;
mod operating;
mod outside;

mod load;
mod measuring;
mod truth;

mod freshness;

mod bad_days;
mod import;
mod interrupted;
mod replays;

use bad_days::BadDays;
use sql::Database;
use stack::Stack;
use wait::check;

/// From the first start to the second: what the sample answers, what a client can send, what an operator
/// does.
#[test]
fn a_first_day() {
    let stack = Stack::prepare("first-day");
    let first_up = check("the first `up`, with the sample", || stack.up());
    let front = stack.front;
    let primary = Database::primary(&stack);

    check("golden answers", || golden::answers_are_exact(front));
    check("other spellings", || golden::other_spellings_mean_the_same(front));
    check("paging", || golden::pages_never_shuffle(front));
    check("status", || operating::status_names_every_process(&stack));

    check("ids after the import", || commands::an_import_leaves_the_next_ids_free(front, &primary));
    check("a review's way", || commands::a_review_is_listed_at_once_and_in_meta_within_a_second(front));
    check("a lenient post", || commands::a_post_takes_what_can_be_taken(front));
    check("a refused post", || commands::a_refusal_names_every_field(front));
    check("votes and reports", || commands::votes_count_and_reports_hide(front));
    check("a product that stands still", || commands::what_stands_still_is_not_promised(&stack));

    check("every route", || contract::every_row_holds(front, &primary));
    check("entity tags", || contract::tags_follow_the_answers(front, &Database::meta(&stack)));

    check("CORS", || odd::any_origin_may_read(front));
    check("request ids", || odd::requests_have_ids(front));
    check("traces", || odd::traces_reach_the_log(front, &primary));
    check("odd requests", || odd::nothing_is_answered_badly(front, &primary));
    check("odd text", || odd::text_comes_out_as_it_went_in(front));
    check("it works after that", || operating::assert_works(front, "after the odd requests"));

    check("load tests", || measuring::every_scenario_runs(&stack, &primary));
    check("load tests that cannot be", || measuring::what_cannot_be_measured_is_said_at_once(&stack));
    check("an interrupted load test", measuring::nothing_is_left_of_an_interrupted_one);

    check("roles", || operating::roles_may_only_what_their_service_does(&stack));
    check("`up` twice", || operating::up_twice_is_harmless(&stack));
    check("settings", || operating::settings_are_remembered(&stack));
    check("`down` and `up`", || operating::data_survive_down_and_up(&stack, first_up));
    check("`restart` of each", || operating::each_process_can_be_restarted(&stack));
}

/// The published description of the API is true for a program that knows nothing but the description.
#[test]
fn the_description_holds() {
    let stack = Stack::prepare("outside");
    check("the first `up`, with the sample", || stack.up());
    check("requests made from the description", || outside::answers_are_as_described(&stack));
    check("it works after that", || operating::assert_works(stack.front, "after all of them"));
    check("everything is whole", || bad_days::everything_is_whole(&stack));
}

/// Who wrote something reads it, whatever happens to the projector.
#[test]
fn own_writes_are_read() {
    let stack = Stack::prepare("own-writes");
    check("the first `up`, with the sample", || stack.up());
    let (front, primary) = (stack.front, Database::primary(&stack));
    check("without a token", || freshness::without_a_token_an_acknowledged_post_shows(front, &primary));
    check("with a token", || freshness::a_token_is_never_answered_with_less(front, &primary));
    check("with a token, the projector killed", || freshness::nor_without_a_projector(&stack, &primary));
}

/// Meta is made anew while it answers, and whoever does it is killed.
#[test]
fn meta_is_made_anew() {
    let stack = Stack::prepare("replays");
    check("the first `up`, with the sample", || stack.up());
    let days = BadDays::new(&stack);
    check("a replay killed twenty times", || days.replays("killed replays", replays::killed_twenty_times));
    check("swaps while metas are read", || days.replays("swaps", replays::swapped_unnoticed));
    check("meta damaged by hand", || replays::damaged_by_hand_it_goes_on(&stack));
    check("everything is whole", || bad_days::everything_is_whole(&stack));
}

/// Everything that can be killed or taken away is, while reviews are posted: no acknowledged one is lost,
/// none is counted twice, and what does not need it works on.
#[test]
fn bad_days() {
    let stack = Stack::prepare("bad-days");
    check("the first `up`, with the sample", || stack.up());
    let days = BadDays::new(&stack);

    check("`kill -9` of write", || days.killed("write", bad_days::without_write));
    check("`kill -9` of the projector", || days.killed("projector", bad_days::without_projector));
    for reader in ["read-1", "read-2", "read-3", "read-4"] {
        check(&format!("`kill -9` of {reader}"), || days.killed(reader, bad_days::without_a_reader));
    }
    check("`kill -9` of nginx", || days.killed("nginx", bad_days::without_nginx));
    check("`kill -9` of rabbitmq", || days.killed("rabbitmq", bad_days::without_broker));
    check("`kill -9` of epmd", || days.killed("epmd", bad_days::without_epmd));
    check("`kill -9` of the primary", || days.killed("primary", bad_days::without_primary));
    check("`kill -9` of meta", || days.killed("meta", bad_days::without_meta));
    check("the broker away", || days.broker_away(false));
    check("the broker's data deleted", || days.broker_away(true));
    check("an import beside live writes", || days.import());
    check("meta away for a minute", || days.meta_away());
    check("everything is whole", || bad_days::everything_is_whole(&stack));

    check("`kill -9` of everything", || days.all_killed());
    check("`up` in the foreground, then Ctrl-C", || {
        interrupted::ctrl_c_stops_everything_in_order(&stack, || days.all_is_well());
    });
}
