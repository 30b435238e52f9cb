//! Numbers as people read them.

/// A part of one as a percentage with about two digits that count: `7.3%`, `0.012%`, `0%`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent == 0.0 {
        return "0%".to_owned();
    }
    // One digit behind the point from 1 % on, and one more for each zero that the number starts with.
    let decimals = (1.0 - percent.abs().log10().floor()).clamp(1.0, 8.0);
    let scale = 10f64.powf(decimals);
    format!("{}%", (percent * scale).round() / scale)
}

/// A limit as it was written: `0.5%` is 0.5 out of a hundred, however it is held.
#[must_use]
pub fn exact_percent(share: f64) -> String {
    format!("{}%", (share * 1e10).round() / 1e8)
}

/// A count with its thousands apart: `1,240`.
#[must_use]
pub fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A plain value with about four digits that count.
pub(super) fn value(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let decimals = (3.0 - number.abs().log10().floor()).clamp(0.0, 12.0);
    let scale = 10f64.powf(decimals);
    format!("{}", (number * scale).round() / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(
            [0.073_387, 0.2, 0.000_123, 0.0, 1.0, 0.5].map(percent),
            ["7.3%", "20%", "0.012%", "0%", "100%", "50%"]
        );
        assert_eq!([0.0, 100.0, 1240.0, 1_234_567.0].map(count), ["0", "100", "1,240", "1,234,567"]);
        assert_eq!([0.851_234, 12.0, 0.0, 123_456.7].map(value), ["0.8512", "12", "0", "123457"]);
        assert_eq!([0.005, 1.0 - 0.95, 1.0 - 0.999].map(exact_percent), ["0.5%", "5%", "0.1%"]);
    }
}
