//! Functions over a range that regard when its values were measured.

use super::{
    super::{server::Version, value::Point},
    Window,
    summation::Sum,
};

/// Makes one value of a range.
type OverWindow = fn(&[Point], &Window) -> Option<f64>;

/// The function `name`, if it is one of these.
pub(super) fn function(name: &str) -> Option<OverWindow> {
    Some(match name {
        "rate" => |points, window| Some(extrapolated(points, window, true)? / seconds(window.end - window.start)),
        "increase" => |points, window| extrapolated(points, window, true),
        "delta" => |points, window| extrapolated(points, window, false),
        "irate" => |points, _| instant(points, true),
        "idelta" => |points, _| instant(points, false),
        "deriv" => |points, _| Some(regression(points, points.first()?.at)?.slope),
        _ => return None,
    })
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

/// By how much the value grew in the window, as far as its samples let one guess.
///
/// The samples rarely stand at the window's ends. The growth between them is taken to go on to an end that is about as
/// near as the next sample would be, and else for half the usual distance between samples; a counter never back
/// beyond where it was 0.
fn extrapolated(points: &[Point], window: &Window, is_counter: bool) -> Option<f64> {
    let [first, .., last] = points else { return None };
    let mut growth = last.value - first.value;
    if is_counter {
        let pairs = points.iter().zip(points.iter().skip(1));
        growth +=
            pairs.filter(|(before, after)| after.value < before.value).map(|(before, _)| before.value).sum::<f64>();
    }
    let sampled = seconds(last.at - first.at);
    let between_samples = sampled / (points.len() - 1) as f64;
    let near = between_samples * 1.1;
    let (mut to_start, mut to_end) = (seconds(first.at - window.start), seconds(window.end - last.at));
    // Prometheus 2 asks first where the counter was 0, and then whether the start is near.
    if window.version == Version::V3 && to_start >= near {
        to_start = between_samples / 2.0;
    }
    if is_counter && growth > 0.0 && first.value >= 0.0 {
        to_start = to_start.min(sampled * (first.value / growth));
    }
    if to_start >= near {
        to_start = between_samples / 2.0;
    }
    if to_end >= near {
        to_end = between_samples / 2.0;
    }
    Some(growth * ((sampled + to_start + to_end) / sampled))
}

/// Between the last two samples: the growth for each second, or the difference.
fn instant(points: &[Point], is_rate: bool) -> Option<f64> {
    let [.., before, last] = points else { return None };
    if !is_rate {
        return Some(last.value - before.value);
    }
    let growth = if last.value < before.value { last.value } else { last.value - before.value };
    Some(growth / seconds(last.at - before.at))
}

/// A line through points.
struct Line {
    slope: f64,
    intercept: f64,
}

/// The value `ahead` seconds after the query's time, on the line through the points.
pub(super) fn predict(points: &[Point], window: &Window, ahead: f64) -> Option<f64> {
    let line = regression(points, window.at)?;
    Some(line.slope * ahead + line.intercept)
}

/// The line with the least squares, where `origin` is time 0.
fn regression(points: &[Point], origin: i64) -> Option<Line> {
    let [first, _, ..] = points else { return None };
    #[allow(clippy::float_cmp, reason = "a constant is the same number")]
    if points.iter().all(|point| point.value == first.value) {
        let constant = if first.value.is_infinite() { f64::NAN } else { first.value };
        return Some(Line { slope: constant * 0.0, intercept: constant });
    }
    let (mut x, mut y, mut xy, mut xx) = (Sum::default(), Sum::default(), Sum::default(), Sum::default());
    for point in points {
        let time = seconds(point.at - origin);
        x.add(time);
        y.add(point.value);
        xy.add(time * point.value);
        xx.add(time * time);
    }
    let n = points.len() as f64;
    let (x, y, xy, xx) = (x.total(), y.total(), xy.total(), xx.total());
    let slope = (xy - x * y / n) / (xx - x * x / n);
    Some(Line { slope, intercept: y / n - slope * x / n })
}
