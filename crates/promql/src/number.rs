//! Numbers as Prometheus writes them.

use std::fmt::Write;

/// Appends `value` with the fewest digits that tell it apart, very small and very large ones with an exponent.
/// <https://github.com/prometheus/prometheus/blob/main/util/jsonutil/marshal.go>
pub(super) fn write(out: &mut String, value: f64) {
    if !value.is_finite() || value == 0.0 || (1e-6..1e21).contains(&value.abs()) {
        return plain(out, value);
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    let _ = write!(out, "{digits}e{sign}{exponent:0>2}");
}

/// Appends `value` with the fewest digits that tell it apart, never with an exponent.
pub(super) fn plain(out: &mut String, value: f64) {
    let _ = match value {
        _ if value.is_nan() => write!(out, "NaN"),
        f64::INFINITY => write!(out, "+Inf"),
        f64::NEG_INFINITY => write!(out, "-Inf"),
        _ => write!(out, "{value}"),
    };
}

/// Appends `at`, in milliseconds, as seconds.
pub(super) fn write_time(out: &mut String, at: i64) {
    let sign = if at < 0 { "-" } else { "" };
    let (seconds, millis) = (at.unsigned_abs() / 1000, at.unsigned_abs() % 1000);
    let _ = if millis == 0 { write!(out, "{sign}{seconds}") } else { write!(out, "{sign}{seconds}.{millis:03}") };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        let text = |value| {
            let mut out = String::new();
            write(&mut out, value);
            out
        };
        let written = [0.1, 1e20, 1e21, -2.5e-7, 1e-6, 1e-100, f64::NAN, f64::INFINITY, -f64::INFINITY, -0.0].map(text);
        let wanted =
            ["0.1", "100000000000000000000", "1e+21", "-2.5e-07", "0.000001", "1e-100", "NaN", "+Inf", "-Inf", "-0"];
        assert_eq!(written, wanted);
    }

    #[test]
    fn times_are_seconds_with_milliseconds_where_there_are_any() {
        let text = |at| {
            let mut out = String::new();
            write_time(&mut out, at);
            out
        };
        assert_eq!([0, 1000, 1050, -1500].map(text), ["0", "1", "1.050", "-1.500"]);
    }
}
