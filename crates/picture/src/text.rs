//! Text as it stands in a picture.

use std::time::Duration;

use jiff::Timestamp;
use tidegate_api::{Span, is_unseen};

/// `duration` with its days: `90s`, `2h30m`, `6d12h`.
#[must_use]
pub fn length(duration: Duration) -> String {
    let days = duration.as_secs() / 86_400;
    let rest = Span::from(duration.saturating_sub(Duration::from_hours(days * 24)));
    match (days, rest.duration().is_zero()) {
        (0, _) => rest.to_string(),
        (_, true) => format!("{days}d"),
        _ => format!("{days}d{rest}"),
    }
}

/// How long after `start`, in whole seconds: `+1h30m`, `-2m`.
#[must_use]
pub fn after(start: Timestamp, at: Timestamp) -> String {
    let seconds = at.duration_since(start).as_secs();
    let sign = if seconds < 0 { '-' } else { '+' };
    format!("{sign}{}", length(Duration::from_secs(seconds.unsigned_abs())))
}

/// `text` cut off where it is longer than `width` characters.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

/// `text` as it stands in XML. Characters that XML does not have, and marks that nobody sees, are left out.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() || is_unseen(c) || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => escaped.push(c),
        }
    }
    escaped
}
