//! Instants as people at a terminal want them: how long ago, and how long from now.

use jiff::Timestamp;
use tidegate_api::Span;

/// What is longer is told without seconds.
const COARSE: u64 = 3600;

/// How long `at` lies in the past: `12m5s`, `3h12m`; nothing of it where it is not over.
pub fn since(at: Timestamp, now: Timestamp) -> Span {
    let seconds = u64::try_from(now.duration_since(at).as_secs()).unwrap_or(0);
    Span::seconds(if seconds < COARSE { seconds } else { seconds / 60 * 60 })
}

/// How long it is until `at`, if that is to come.
pub fn until(at: Timestamp, now: Timestamp) -> Option<Span> {
    (at > now).then(|| since(now, at))
}

/// `at` to the second, and how far from now: `2026-03-02T09:10:00Z, in 4m`, or `…, 5m ago`.
pub fn told(at: Timestamp, now: Timestamp) -> String {
    match until(at, now) {
        Some(left) => format!("{at:.0}, in {left}"),
        None => format!("{at:.0}, {} ago", since(at, now)),
    }
}

/// The instant so long after `at`.
pub fn after(at: Timestamp, span: Span) -> Timestamp {
    at.checked_add(span.duration()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_told_without_seconds() {
        let at = |second: i64| Timestamp::from_second(1_772_442_000 + second).unwrap();
        assert_eq!(told(at(0), at(725)), "2026-03-02T09:00:00Z, 12m5s ago");
        assert_eq!(told(at(11_525), at(0)), "2026-03-02T12:12:05Z, in 3h12m");
        assert_eq!((since(at(5), at(0)).to_string(), until(at(0), at(0))), ("0s".to_owned(), None));
        assert_eq!(after(at(0), Span::seconds(60)), at(60));
    }
}
