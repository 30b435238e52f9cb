//! How the value of each check went while it was watched.

use std::collections::{BTreeMap, VecDeque};

use tidegate_api::CheckStatus;

/// So many values of each check are kept.
const KEPT: usize = 60;

/// From the lowest to the highest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The values of each check, the oldest first.
#[derive(Debug, Default)]
pub struct Trends(BTreeMap<String, VecDeque<f64>>);

impl Trends {
    /// Takes what the checks say now; those that are gone are forgotten.
    pub fn take(&mut self, checks: &[CheckStatus]) {
        self.0.retain(|name, _| checks.iter().any(|check| check.name == *name));
        for check in checks {
            let Some(value) = check.value.as_deref().and_then(number) else { continue };
            let values = self.0.entry(check.name.clone()).or_default();
            values.push_back(value);
            if values.len() > KEPT {
                values.pop_front();
            }
        }
    }

    /// The last values of a check as bars between 0, or what is below it, and the largest of them or `limit`.
    pub fn bars(&self, check: &str, limit: Option<&str>, width: usize) -> String {
        let Some(values) = self.0.get(check) else { return String::new() };
        let shown: Vec<_> = values.iter().copied().skip(values.len().saturating_sub(width)).collect();
        let top = shown.iter().copied().chain(limit.and_then(number)).fold(0.0, f64::max);
        let floor = shown.iter().copied().fold(0.0, f64::min);
        shown.iter().map(|value| bar(*value, (floor, top))).collect()
    }
}

fn bar(value: f64, (floor, top): (f64, f64)) -> char {
    let part = if top > floor { (value - floor) / (top - floor) } else { 0.0 };
    // Of eight bars, rounded: a value at the top is the highest.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 7")]
    let place = (part * 7.0).round().clamp(0.0, 7.0) as usize;
    BARS.get(place).copied().unwrap_or('█')
}

/// The number that a value or limit begins with: `0.3%`, `0.412s`, `0.85`.
fn number(text: &str) -> Option<f64> {
    let end =
        text.find(|letter: char| !letter.is_ascii_digit() && !matches!(letter, '.' | '-' | 'e')).unwrap_or(text.len());
    text.get(..end)?.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str) -> CheckStatus {
        CheckStatus { name: "errors".to_owned(), value: Some(value.to_owned()), ..CheckStatus::default() }
    }

    #[test]
    fn values_are_bars_up_to_the_limit() {
        let mut trends = Trends::default();
        for value in ["0%", "0.5%", "1%", "no number"] {
            trends.take(&[check(value)]);
        }
        assert_eq!(trends.bars("errors", Some("1%"), 10), "▁▅█");
        assert_eq!(trends.bars("errors", Some("2%"), 2), "▃▅");
        assert_eq!(trends.bars("other", None, 10), "");
        trends.take(&[]);
        assert_eq!(trends.bars("errors", None, 10), "", "a check that is gone is forgotten");
    }

    #[test]
    fn no_more_is_kept_than_a_terminal_shows() {
        let mut trends = Trends::default();
        for second in 0..1000 {
            trends.take(&[check(&format!("{second}s"))]);
        }
        assert_eq!(trends.bars("errors", None, 1000).chars().count(), KEPT);
    }
}
