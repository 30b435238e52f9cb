//! Functions over the values of a range, whenever they were measured.

use super::{super::value::Point, summation::Sum};

/// Makes one value of those of a range.
type OverTime = fn(&[Point]) -> Option<f64>;

/// The function `name`, if it is one of these.
pub(super) fn function(name: &str) -> Option<OverTime> {
    Some(match name {
        "avg_over_time" => |points| Some(average(points)),
        "sum_over_time" => |points| Some(sum(points)),
        "min_over_time" => |points| best(points, |value, best| value < best),
        "max_over_time" => |points| best(points, |value, best| value > best),
        "count_over_time" => |points| Some(points.len() as f64),
        "last_over_time" => |points| points.last().map(|point| point.value),
        "first_over_time" => |points| points.first().map(|point| point.value),
        "present_over_time" => |_| Some(1.0),
        "stdvar_over_time" => |points| Some(variance(points)),
        "stddev_over_time" => |points| Some(variance(points).sqrt()),
        "changes" => |points| Some(count_pairs(points, changed)),
        "resets" => |points| Some(count_pairs(points, |before, after| after < before)),
        _ => return None,
    })
}

fn sum(points: &[Point]) -> f64 {
    let mut sum = Sum::default();
    for point in points {
        sum.add(point.value);
    }
    sum.total()
}

/// The mean, without a sum that might overflow.
#[allow(clippy::float_cmp, reason = "an infinity is the same or another")]
fn average(points: &[Point]) -> f64 {
    let (mut mean, mut count) = (Sum::default(), 0.0);
    for Point { value, .. } in points {
        count += 1.0;
        // An infinite mean stays what it is: the difference of two infinities would be none.
        let keeps = mean.raw().is_infinite() && (value.is_finite() || *value == mean.raw());
        if !keeps {
            mean.add(value / count - mean.raw() / count);
        }
    }
    mean.total()
}

/// The least or greatest; a NaN only if there is nothing else.
fn best(points: &[Point], better: fn(f64, f64) -> bool) -> Option<f64> {
    let values = points.iter().map(|point| point.value);
    values.reduce(|best, value| if best.is_nan() || better(value, best) { value } else { best })
}

/// The variance by Welford's method.
fn variance(points: &[Point]) -> f64 {
    let (mut mean, mut squares, mut count) = (Sum::default(), Sum::default(), 0.0);
    for Point { value, .. } in points {
        count += 1.0;
        let delta = value - mean.total();
        mean.add(delta / count);
        squares.add(delta * (value - mean.total()));
    }
    squares.total() / count
}

#[allow(clippy::float_cmp, reason = "any change counts")]
fn changed(before: f64, after: f64) -> bool {
    before != after && !(before.is_nan() && after.is_nan())
}

fn count_pairs(points: &[Point], counts: fn(f64, f64) -> bool) -> f64 {
    let pairs = points.iter().zip(points.iter().skip(1));
    pairs.filter(|(before, after)| counts(before.value, after.value)).count() as f64
}

/// The `rank` quantile of the points' values.
pub(super) fn quantile_of_points(rank: f64, points: &[Point]) -> f64 {
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    quantile(rank, &values)
}

/// The `rank` quantile of `values`, between two of them in proportion to how near they are. NaN is the least value.
pub(in super::super) fn quantile(rank: f64, values: &[f64]) -> f64 {
    if values.is_empty() || rank.is_nan() {
        return f64::NAN;
    }
    if rank < 0.0 {
        return f64::NEG_INFINITY;
    }
    if rank > 1.0 {
        return f64::INFINITY;
    }
    let mut values = values.to_vec();
    values.sort_by(|one, other| other.is_nan().cmp(&one.is_nan()).then(one.total_cmp(other)));
    let place = rank * (values.len() - 1) as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
    let lower = place.floor() as usize;
    let weight = place - place.floor();
    let at = |index: usize| values.get(index.min(values.len() - 1)).copied().unwrap_or(f64::NAN);
    at(lower) * (1.0 - weight) + at(lower + 1) * weight
}
