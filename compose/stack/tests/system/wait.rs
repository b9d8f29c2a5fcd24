//! Waiting for something to become true, never for time to pass.

use std::time::{Duration, Instant};

/// Asks again and again until there is an answer.
///
/// Fails when the limit has passed, saying what was waited for and what `look` saw last.
pub(crate) fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(answer) => return answer,
            Err(seen) => {
                assert!(begun.elapsed() < limit, "not within {limit:?}: {what}; last seen: {seen}");
            }
        }
        pause();
    }
}

/// The pause between two looks, and between two requests of a background load.
#[expect(clippy::disallowed_methods, reason = "the pause of a poll that has a deadline")]
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

/// Runs one named check, so that a failure says which one it was and a success how long it took.
pub(crate) fn check<T>(name: &str, body: impl FnOnce() -> T) -> T {
    struct Named<'a>(&'a str, Instant);
    impl Drop for Named<'_> {
        fn drop(&mut self) {
            let outcome = if std::thread::panicking() { "FAILED" } else { "ok" };
            eprintln!("{outcome:>6}  {} ({:.1} s)", self.0, self.1.elapsed().as_secs_f32());
        }
    }
    let _named = Named(name, Instant::now());
    body()
}
