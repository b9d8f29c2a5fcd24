//! Texts of a review, with the oddities that real ones have. Each function clears `out` and fills it.

use std::fmt::Write as _;

use super::dice::Dice;
use super::phrases;

const BODY_SHORT_PER_MILLE: u32 = 60;
const BODY_QUOTES_PER_MILLE: u32 = 30;
const BODY_SCRIPTS_PER_MILLE: u32 = 40;
const BODY_BREAKS_PER_MILLE: u32 = 30;
/// Sentences in a body: 1 to 6, and last the few long ones.
const SENTENCES_WEIGHTS: [u32; 7] = [18, 32, 26, 13, 6, 3, 2];
const SENTENCES_MANY_MIN: u32 = 8;
const SENTENCES_MANY_MAX: u32 = 14;
/// One in this many sentences is followed by two spaces.
const DOUBLE_SPACE_ONE_IN: u32 = 4;

const SUMMARY_MISSING_PER_MILLE: u32 = 5;
const SUMMARY_LONG_PER_MILLE: u32 = 60;
const SUMMARY_QUOTES_PER_MILLE: u32 = 10;
const SUMMARY_SCRIPTS_PER_MILLE: u32 = 20;

const NAME_SCRIPTS_PER_MILLE: u32 = 30;
const NAME_QUOTES_PER_MILLE: u32 = 5;

const RESPONSE_PER_MILLE: u32 = 70;

/// A shop's answer, or one of the two ways in which the data set says that there is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Response {
    Text(&'static str),
    Null,
    Nothing,
}

/// False, with nothing in `out`, where the review has no summary.
pub(crate) fn summary(dice: &mut Dice, rating: u8, item: &str, out: &mut String) -> bool {
    out.clear();
    let kind = dice.below(1000);
    let (missing, long) = (SUMMARY_MISSING_PER_MILLE, SUMMARY_LONG_PER_MILLE);
    let (quotes, scripts) = (SUMMARY_QUOTES_PER_MILLE, SUMMARY_SCRIPTS_PER_MILLE);
    if kind < missing {
        return false;
    }
    let phrase = if kind < missing + long {
        dice.pick(phrases::SUMMARIES_LONG)
    } else if kind < missing + long + quotes {
        dice.pick(phrases::SUMMARIES_QUOTING)
    } else if kind < missing + long + quotes + scripts {
        dice.pick(phrases::SCRIPTS)
    } else {
        dice.pick(by_rating(
            rating,
            phrases::SUMMARIES_BAD,
            phrases::SUMMARIES_MIXED,
            phrases::SUMMARIES_GOOD,
        ))
    };
    push(out, phrase, item);
    true
}

/// Never blank.
pub(crate) fn body(dice: &mut Dice, rating: u8, item: &str, out: &mut String) {
    out.clear();
    if dice.per_mille(BODY_SHORT_PER_MILLE) {
        out.push_str(dice.pick(phrases::BODIES_SHORT));
        return;
    }
    let feeling = by_rating(rating, phrases::BAD, phrases::MIXED, phrases::GOOD);
    let sentences = match dice.weighted(&SENTENCES_WEIGHTS) {
        6 => SENTENCES_MANY_MIN + dice.below(SENTENCES_MANY_MAX - SENTENCES_MANY_MIN + 1),
        0 => 1,
        1 => 2,
        2 => 3,
        3 => 4,
        4 => 5,
        _ => 6,
    };
    let breaks = dice.per_mille(BODY_BREAKS_PER_MILLE);
    let mut before = "";
    for n in 0..sentences {
        if n > 0 {
            out.push_str(space(dice, breaks));
        }
        let bank = if n == 0 || dice.one_in(2) { feeling } else { phrases::NEUTRAL };
        before = another(dice, bank, before);
        push(out, before, item);
    }
    if dice.per_mille(BODY_QUOTES_PER_MILLE) {
        out.push_str(space(dice, breaks));
        out.push_str(dice.pick(phrases::QUOTING));
    }
    if dice.per_mille(BODY_SCRIPTS_PER_MILLE) || (breaks && sentences == 1) {
        out.push_str(space(dice, breaks));
        out.push_str(dice.pick(phrases::SCRIPTS));
    }
}

/// A phrase of the bank that is not the one before.
fn another(dice: &mut Dice, bank: &[&'static str], before: &str) -> &'static str {
    let at = dice.index(bank.len());
    let phrase = bank[at];
    if phrase == before { bank[(at + 1) % bank.len()] } else { phrase }
}

/// What stands between two sentences; with `breaks` it is a line break.
fn space(dice: &mut Dice, breaks: bool) -> &'static str {
    if breaks {
        dice.pick(&["\n", "\n", "\n\n", "\r\n"])
    } else if dice.one_in(DOUBLE_SPACE_ONE_IN) {
        "  "
    } else {
        " "
    }
}

/// Never blank.
pub(crate) fn reviewer_name(dice: &mut Dice, out: &mut String) {
    out.clear();
    let kind = dice.below(1000);
    if kind < NAME_SCRIPTS_PER_MILLE {
        out.push_str(dice.pick(phrases::NAMES_SCRIPTS));
    } else if kind < NAME_SCRIPTS_PER_MILLE + NAME_QUOTES_PER_MILLE {
        out.push_str(dice.pick(phrases::NAMES_QUOTING));
    } else {
        out.push_str(dice.pick(phrases::HANDLE_FIRST));
        out.push_str(dice.pick(phrases::HANDLE_SECOND));
        number(dice, out);
    }
}

/// At domains that are reserved for examples, so that no real mailbox is ever in a data set.
pub(crate) fn reviewer_email(dice: &mut Dice, out: &mut String) {
    out.clear();
    out.push_str(dice.pick(phrases::HANDLE_FIRST));
    out.push('.');
    out.push_str(dice.pick(phrases::HANDLE_SECOND));
    number(dice, out);
    out.push('@');
    out.push_str(dice.pick(&[
        "example.com",
        "example.com",
        "example.org",
        "example.net",
        "mail.example.com",
    ]));
}

/// Two in three handles end in a number.
fn number(dice: &mut Dice, out: &mut String) {
    let n = dice.below(1500);
    if n < 1000 {
        // Writing to a String cannot fail.
        let _ = write!(out, "{n}");
    }
}

pub(crate) fn response(dice: &mut Dice) -> Response {
    if dice.per_mille(RESPONSE_PER_MILLE) {
        Response::Text(dice.pick(phrases::RESPONSES))
    } else if dice.one_in(2) {
        Response::Null
    } else {
        Response::Nothing
    }
}

pub(crate) fn photo_url(dice: &mut Dice, out: &mut String) {
    out.clear();
    out.push_str("https://images.example.com/reviews/");
    let mut left = (u64::from(dice.word()) << 32) | u64::from(dice.word());
    for _ in 0..16 {
        out.push(char::from(b"0123456789abcdef"[(left % 16) as usize]));
        left /= 16;
    }
    out.push_str(dice.pick(&[
        ".jpg?fit=crop&w=975&q=80",
        ".jpg?fit=crop&w=668&q=80",
        ".png",
        ".webp?w=1350",
    ]));
}

fn by_rating<'a>(rating: u8, bad: &'a [&'a str], mixed: &'a [&'a str], good: &'a [&'a str]) -> &'a [&'a str] {
    match rating {
        ..=2 => bad,
        3 => mixed,
        4.. => good,
    }
}

/// The phrase, with its `#` replaced by the item.
fn push(out: &mut String, phrase: &str, item: &str) {
    match phrase.split_once('#') {
        Some((before, after)) => {
            out.push_str(before);
            out.push_str(item);
            out.push_str(after);
        }
        None => out.push_str(phrase),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::dice::Purpose;

    const DRAWS: usize = 50_000;

    fn dice() -> Dice {
        Dice::new(21, Purpose::Rows)
    }

    fn draw(mut fill: impl FnMut(&mut Dice, &mut String)) -> Vec<String> {
        let mut dice = dice();
        let mut out = String::new();
        let mut drawn = Vec::with_capacity(DRAWS);
        for _ in 0..DRAWS {
            fill(&mut dice, &mut out);
            drawn.push(out.clone());
        }
        drawn
    }

    /// Per mille of the texts for which `test` holds.
    fn rate(texts: &[String], test: impl Fn(&str) -> bool) -> usize {
        texts.iter().filter(|t| test(t)).count() * 1000 / texts.len()
    }

    #[test]
    fn bodies_have_their_dirt_and_stay_within_the_limit() {
        let bodies = draw(|dice, out| {
            let rating = u8::try_from(1 + dice.below(5)).unwrap();
            body(dice, rating, "boots", out);
        });
        assert!(bodies.iter().all(|b| !b.trim().is_empty() && b.chars().count() <= 5000));
        assert!(bodies.iter().all(|b| !b.contains(['\0', '#'])));
        assert!((60..200).contains(&rate(&bodies, |b| b.chars().count() < 50)));
        assert!((20..40).contains(&rate(&bodies, |b| b.contains('"'))));
        assert!((20..40).contains(&rate(&bodies, |b| b.contains('\n'))));
        assert!((5..20).contains(&rate(&bodies, |b| b.contains("\r\n"))));
        assert!((30..60).contains(&rate(&bodies, |b| !b.is_ascii())));
        assert!(rate(&bodies, |b| b.contains("  ")) > 200);
    }

    #[test]
    fn summaries_have_their_dirt_and_stay_within_the_limit() {
        let summaries = draw(|dice, out| {
            let rating = u8::try_from(1 + dice.below(5)).unwrap();
            assert_eq!(summary(dice, rating, "boots", out), !out.is_empty());
        });
        assert!(summaries.iter().all(|s| s.chars().count() <= 200));
        assert!((50..70).contains(&rate(&summaries, |s| s.chars().count() > 60)));
        assert!((2..9).contains(&rate(&summaries, str::is_empty)));
        assert!((5..15).contains(&rate(&summaries, |s| s.contains('"'))));
        assert!((12..28).contains(&rate(&summaries, |s| !s.is_ascii())));
    }

    #[test]
    fn names_are_not_blank_and_addresses_are_nobodys() {
        let names = draw(reviewer_name);
        assert!(names.iter().all(|n| !n.trim().is_empty() && n.chars().count() <= 255));
        assert!((20..40).contains(&rate(&names, |n| !n.is_ascii())));
        assert!((2..9).contains(&rate(&names, |n| n.contains('"'))));
        let emails = draw(reviewer_email);
        assert!(
            emails
                .iter()
                .all(|e| e.is_ascii() && e.split_once('@').is_some_and(|(_, d)| d.contains("example.")))
        );
    }

    #[test]
    fn a_missing_response_is_null_or_nothing() {
        let mut dice = dice();
        let mut seen = [0u32; 3];
        for _ in 0..10_000 {
            match response(&mut dice) {
                Response::Null => seen[0] += 1,
                Response::Nothing => seen[1] += 1,
                Response::Text(text) => {
                    assert_ne!(text, "null");
                    seen[2] += 1;
                }
            }
        }
        assert!((4_400..4_900).contains(&seen[0]) && (4_400..4_900).contains(&seen[1]), "{seen:?}");
        assert!((600..800).contains(&seen[2]), "{seen:?}");
    }

    #[test]
    fn photo_urls_are_http_and_differ() {
        let mut urls = draw(photo_url);
        assert!(urls.iter().all(|u| u.starts_with("https://images.example.com/")));
        urls.sort_unstable();
        urls.dedup();
        assert_eq!(urls.len(), DRAWS);
    }

    #[test]
    fn every_long_summary_is_long_and_every_short_body_short() {
        assert!(phrases::SUMMARIES_LONG.iter().all(|s| s.chars().count() > 60 + "#".len()));
        assert!(phrases::BODIES_SHORT.iter().all(|b| b.chars().count() < 50 && !b.trim().is_empty()));
        assert!(phrases::QUOTING.iter().chain(phrases::SUMMARIES_QUOTING).all(|q| q.contains('"')));
    }
}
