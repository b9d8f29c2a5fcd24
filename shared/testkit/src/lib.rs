//! What tests share: databases and a virtual host of their own on real servers, and the questions
//! that every test of the log and of meta asks.
//!
//! The servers are named by the environment that `cargo stack test` and `cargo stack servers` make.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and ends")]

mod broker_host;
mod commands;
mod database;
mod dump;
mod eventually;
mod plans;
mod truth;

pub use broker_host::{BrokerHost, broker_host};
pub use commands::{post, try_vote, vote};
pub use database::{TestDatabase, meta_database, primary_database};
pub use dump::{Dump, dump, restore};
pub use eventually::eventually;
pub use plans::{Explained, Plans, explained};
pub use truth::{
    assert_log_is_whole, define_characteristics, fold_of_log, new_review, product, products_of_meta,
};

fn environment(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run tests by `cargo stack test [FILTER]`, which brings the servers up")
    })
}
