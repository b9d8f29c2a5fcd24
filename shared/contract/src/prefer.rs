//! `Prefer` (RFC 7240): what a client would like, and may do without.

use std::time::Duration;

/// Longest wait that is granted, in seconds.
pub const WAIT_SECONDS_MAX: u64 = 5;

/// The preferences that mean something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prefer {
    /// `respond-async`: an answer at commit, before readers show the change.
    pub respond_async: bool,
    /// `wait=SECONDS`: how long a read may wait for what its token names.
    pub wait: Option<Duration>,
}

/// Reads the header; of a preference that is given twice the first counts, and one that is not
/// known or makes no sense is passed over, as the standard asks.
pub fn read_prefer(header: &str) -> Prefer {
    let mut prefer = Prefer::default();
    for preference in header.split(',') {
        // Parameters of a preference come after a semicolon; none of ours has any.
        let preference = preference.split(';').next().unwrap_or_default();
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "respond-async" => prefer.respond_async = true,
            "wait" if prefer.wait.is_none() => prefer.wait = seconds(value),
            _ => {}
        }
    }
    prefer
}

/// Decimal digits, with a fraction or without; more than the most is the most.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let seconds: f64 = text.parse().ok()?;
    let most = Duration::from_secs(WAIT_SECONDS_MAX);
    Some(Duration::try_from_secs_f64(seconds).map_or(most, |wait| wait.min(most)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wait(header: &str) -> Option<u128> {
        read_prefer(header).wait.map(|wait| wait.as_millis())
    }

    #[test]
    fn reads_what_clients_send() {
        assert_eq!(wait("wait=2"), Some(2000));
        assert_eq!(wait("wait=0.25"), Some(250));
        assert_eq!(wait("WAIT = \"1.5\" ; x=y"), Some(1500));
        assert_eq!(wait("wait=0"), Some(0));
        assert_eq!(wait("wait=.5, wait=3"), Some(500));
        assert_eq!(wait("wait=99999999999999999999999"), Some(5000));
        assert_eq!(wait("return=minimal, respond-async, wait=1"), Some(1000));
        assert!(read_prefer("return=minimal, Respond-Async").respond_async);
    }

    #[test]
    fn passes_over_the_rest() {
        for header in
            ["", ",", "wait", "wait=", "wait=-1", "wait=1e3", "wait=inf", "wait=NaN", "wait=.", "wait=1.2.3"]
        {
            assert_eq!(read_prefer(header), Prefer::default(), "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_header_asks_for_more_than_the_most(header in "\\PC{0,80}|(wait=[0-9.]{0,40},?){0,4}") {
            let wait = read_prefer(&header).wait;
            prop_assert!(wait.is_none_or(|wait| wait <= Duration::from_secs(WAIT_SECONDS_MAX)));
        }

        #[test]
        fn every_number_of_milliseconds_is_read(millis in 0_u64..=5000) {
            let header = format!("wait={}.{:03}", millis / 1000, millis % 1000);
            prop_assert_eq!(read_prefer(&header).wait, Some(Duration::from_millis(millis)));
        }
    }
}
