//! Numbers out of what a status says: `0.3%`, `412ms`, `0.85`.

/// The number in `text`: percent out of a hundred, times in seconds, anything else as it stands. Nothing where it is none
/// of these, such as the words of a newer version.
#[must_use]
pub fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text.strip_suffix('%').unwrap_or(text);
    let number = plain.trim().parse::<f64>().ok().or_else(|| seconds(text))?;
    number.is_finite().then_some(number)
}

/// Of a time such as `1m2.5s`.
fn seconds(text: &str) -> Option<f64> {
    let mut rest = text.strip_prefix('-').unwrap_or(text);
    let mut sum = 0.0;
    while !rest.is_empty() {
        let unit_at = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (amount, tail) = rest.split_at(unit_at);
        let end = tail.find(|letter: char| letter.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let length = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        sum += amount.parse::<f64>().ok()? * length;
        rest = tail;
    }
    (!text.is_empty()).then_some(if text.starts_with('-') { -sum } else { sum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_times_and_plain_numbers_are_read_and_nothing_else() {
        for (text, expected) in [("0.3%", 0.3), ("0.412s", 0.412), ("500ms", 0.5), ("1m2.5s", 62.5), ("-0.85", -0.85)] {
            let read = number(text).unwrap();
            assert!((read - expected).abs() < 1e-9, "{text}: {read}");
        }
        for text in ["", "%", "fast", "5 apples", "1m2", "NaN", "inf", "<b>1</b>"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
