//! Numbers as people read them.

use std::{fmt, time::Duration};

use tidegate_api::Span;

use super::{
    block::{Counted, Counts},
    interval::interval,
    proportion::Proportion,
    question::{Indicator, Tolerance},
};

/// No more is told of requests that no histogram has than that they are this part of what may be bad: a few are under way.
const FEW: f64 = 0.1;

/// How much of what was counted was bad, and how much may be.
pub(super) struct Sentence<'a> {
    pub(super) tolerance: &'a Tolerance,
    pub(super) canary: Counts,
    pub(super) stable: Counts,
    /// How many requests go bad together.
    pub(super) overdispersion: f64,
}

impl Sentence<'_> {
    /// The share of the canary.
    pub(super) fn value(&self) -> Option<String> {
        proportion(self.canary).map(percent)
    }

    /// The share of stable.
    pub(super) fn stable_value(&self) -> Option<String> {
        proportion(self.stable).map(percent)
    }

    /// Where the canary's true share lies; wrong at most one time in twenty.
    pub(super) fn range(&self) -> Option<String> {
        let (certain, at_most) = (self.canary.proportion(Counted::Certain), self.canary.at_most());
        let (low, _) = interval(certain.divided(self.overdispersion), 0.05);
        let (_, high) = interval(at_most.divided(self.overdispersion), 0.05);
        (at_most.total > 0.0).then(|| format!("{} to {}", percent(low), percent(high)))
    }

    /// How many requests were counted, and how many of them no histogram has, unless they matter little.
    fn unseen(&self) -> Option<(f64, f64)> {
        let (unseen, all) = (self.canary.unseen, self.canary.at_most().total);
        let Proportion { bad, total } = self.stable.at_most();
        let allowed = self.tolerance.boundary.limit(if total > 0.0 { bad / total } else { 0.0 });
        (unseen >= 1.0 && unseen > FEW * allowed * all).then_some((all, unseen))
    }

    /// What is allowed: `0.5%`, or `1.5 × stable + 0.5%`.
    pub(super) fn limit(&self) -> String {
        let boundary = self.tolerance.boundary;
        if boundary.ratio == 0.0 {
            exact_percent(boundary.margin)
        } else {
            format!("{} × stable + {}", boundary.ratio, exact_percent(boundary.margin))
        }
    }
}

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bad = self.value().unwrap_or_else(|| "0%".to_owned());
        let total = count(self.canary.total);
        match self.tolerance.subject {
            Indicator::Failed => write!(f, "{bad} of {total} requests failed, allowed {}", self.limit())?,
            Indicator::SlowerThan(limit, quantile) if self.tolerance.boundary.ratio == 0.0 => {
                let allowed = self.limit();
                write!(f, "{bad} of {total} requests took longer than {limit}, allowed {allowed} ({quantile})")?;
            }
            Indicator::SlowerThan(limit, _) => {
                write!(f, "{bad} of {total} requests took longer than {limit}, allowed {}", self.limit())?;
            }
        }
        if let Some(stable) = self.stable_value() {
            write!(f, ", stable at {stable}")?;
        }
        if self.canary.bad_at_most > self.canary.bad {
            let at_most = percent(self.canary.bad_at_most / self.canary.total);
            write!(f, ", up to {at_most} as the limit lies between two histogram buckets")?;
        }
        if let Some((all, unseen)) = self.unseen() {
            let [all, unseen] = [all, unseen].map(count);
            write!(f, "; of {all} requests that were counted, {unseen} are in no histogram and may have been slower")?;
        }
        Ok(())
    }
}

fn proportion(counts: Counts) -> Option<f64> {
    (counts.total > 0.0).then(|| counts.bad / counts.total)
}

/// How sure evidence with such a logarithm makes: `95%`, `99%`, `99.9%`, never more than was shown.
pub(super) fn certainty(log: f64) -> &'static str {
    let doubt = (-log).exp();
    match doubt {
        _ if doubt <= 1e-6 => "99.9999%",
        _ if doubt <= 1e-4 => "99.99%",
        _ if doubt <= 1e-3 => "99.9%",
        _ if doubt <= 0.01 => "99%",
        _ if doubt <= 0.05 => "95%",
        _ if doubt <= 0.1 => "90%",
        _ if doubt <= 0.2 => "80%",
        _ => "50%",
    }
}

/// A part of one as a percentage with about two digits that count: `7.3%`, `0.012%`, `0%`.
#[must_use]
pub fn percent(share: f64) -> String {
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

/// An estimate, with two digits that count, upwards: `1,300`.
#[must_use]
pub fn about(number: f64) -> String {
    let scale = 10f64.powf((number.max(1.0).log10().floor() - 1.0).max(0.0));
    count((number / scale).ceil() * scale)
}

/// An estimate of time as people say it: whole seconds up to ten minutes, whole minutes up to ten hours, whole hours beyond.
#[must_use]
pub fn about_time(time: Duration) -> Span {
    let unit = match time.as_secs() {
        0..600 => 1,
        600..36_000 => 60,
        _ => 3600,
    };
    Span::seconds(time.as_secs().div_ceil(unit).max(1) * unit)
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
        assert_eq!([7.2, 99.5, 1204.0, 120_001.0].map(about), ["8", "100", "1,300", "130,000"]);
        assert_eq!([0.851_234, 12.0, 0.0, 123_456.7].map(value), ["0.8512", "12", "0", "123457"]);
        assert_eq!([0.005, 1.0 - 0.95, 1.0 - 0.999].map(exact_percent), ["0.5%", "5%", "0.1%"]);
    }
}
