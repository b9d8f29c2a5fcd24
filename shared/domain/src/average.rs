//! Averages as text, exactly, from a sum and a count.

/// The average to four decimals, halves away from zero: `4.2000`. Zero values give `None`.
/// The values averaged are not negative.
pub fn four_decimals(sum: i64, count: i64) -> Option<String> {
    decimals(sum, count, 4)
}

/// The text that Postgres gives for `avg` of the same integers: `4.2000000000000000`.
///
/// Postgres divides `numeric`s to at least 16 significant digits, which it estimates from the
/// operands' base-10000 digits (`select_div_scale` in its `numeric.c`): with `q` the difference of
/// their weights, less one if the first digit of `sum` is not above that of `count`, it keeps
/// `16 - 4q` decimals, and rounds halves away from zero.
pub fn postgres_decimals(sum: i64, count: i64) -> Option<String> {
    let (weight_sum, first_sum) = first_digit(sum);
    let (weight_count, first_count) = first_digit(count);
    let q = weight_sum - weight_count - i64::from(first_sum <= first_count);
    decimals(sum, count, usize::try_from(16 - 4 * q).unwrap_or(0))
}

/// Weight and value of the first base-10000 digit: 0 has weight 0 and digit 0.
fn first_digit(number: i64) -> (i64, i64) {
    let (mut weight, mut rest) = (0, number);
    while rest >= 10_000 {
        rest /= 10_000;
        weight += 1;
    }
    (weight, rest)
}

fn decimals(sum: i64, count: i64, scale: usize) -> Option<String> {
    if count <= 0 || sum < 0 {
        return None;
    }
    let mut digits = String::with_capacity(scale + 8);
    let (whole, mut rest) = (sum / count, sum % count);
    digits.push_str(&whole.to_string());
    for _ in 0..scale {
        let tenfold = i128::from(rest) * 10;
        let digit = tenfold / i128::from(count);
        digits.push(char::from(b'0' + u8::try_from(digit).ok()?));
        rest = i64::try_from(tenfold % i128::from(count)).ok()?;
    }
    if i128::from(rest) * 2 >= i128::from(count) {
        digits = round_up(&digits);
    }
    if scale > 0 {
        digits.insert(digits.len() - scale, '.');
    }
    Some(digits)
}

/// Adds one to a number written in decimal digits.
fn round_up(digits: &str) -> String {
    let kept = digits.trim_end_matches('9');
    let nines = digits.len() - kept.len();
    let mut up = match kept.as_bytes().last() {
        Some(last) => format!("{}{}", &kept[..kept.len() - 1], char::from(last + 1)),
        None => "1".to_owned(),
    };
    up.push_str(&"0".repeat(nines));
    up
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_postgres_prints() {
        for (sum, count, text) in [
            (8, 2, "4.0000000000000000"),
            (21, 5, "4.2000000000000000"),
            (11, 3, "3.6666666666666667"),
            (1, 1, "1.00000000000000000000"),
            (5, 5, "1.00000000000000000000"),
            (9_999_999, 1_000_000, "9.9999990000000000"),
        ] {
            assert_eq!(postgres_decimals(sum, count).as_deref(), Some(text), "{sum}/{count}");
        }
    }

    #[test]
    fn rounds_halves_away_from_zero_to_four_decimals() {
        for (sum, count, text) in [
            (11, 3, "3.6667"),
            (8, 2, "4.0000"),
            (5, 1, "5.0000"),
            (32_769, 8_192, "4.0001"),
            (99_999_999, 20_000_000, "5.0000"),
        ] {
            assert_eq!(four_decimals(sum, count).as_deref(), Some(text), "{sum}/{count}");
        }
        // Exactly a half: 4.00005.
        assert_eq!(four_decimals(80_001, 20_000).as_deref(), Some("4.0001"));
        assert_eq!((four_decimals(0, 0), postgres_decimals(0, 0)), (None, None));
    }
}
