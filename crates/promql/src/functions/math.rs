//! Functions of one number.

use super::{
    super::{error::QueryError, evaluate::map, value::Sample},
    Arguments,
};

/// The function `name`, if it is one of these.
pub(super) fn function(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "exp" => f64::exp,
        "sqrt" => f64::sqrt,
        "ln" => f64::ln,
        "log2" => f64::log2,
        "log10" => f64::log10,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "asin" => f64::asin,
        "acos" => f64::acos,
        "atan" => f64::atan,
        "sinh" => f64::sinh,
        "cosh" => f64::cosh,
        "tanh" => f64::tanh,
        "asinh" => f64::asinh,
        "acosh" => f64::acosh,
        "atanh" => f64::atanh,
        "rad" => f64::to_radians,
        "deg" => f64::to_degrees,
        "sgn" => sign,
        _ => return None,
    })
}

fn sign(value: f64) -> f64 {
    if value == 0.0 || value.is_nan() { value } else { value.signum() }
}

/// `clamp`, `clamp_min`, `clamp_max` and `round`: functions with limits that are numbers.
pub(super) fn limited(arguments: &Arguments<'_, '_, '_>) -> Result<Vec<Sample>, QueryError> {
    let samples = arguments.vector(0)?;
    let limit = |index| arguments.scalar(index);
    Ok(match arguments.call.func.name {
        "clamp_min" => {
            let least = limit(1)?;
            map(samples, |value| greater(least, value))
        }
        "clamp_max" => {
            let most = limit(1)?;
            map(samples, |value| lesser(most, value))
        }
        "clamp" => {
            let (least, most) = (limit(1)?, limit(2)?);
            if most < least {
                return Ok(Vec::new());
            }
            map(samples, |value| greater(least, lesser(most, value)))
        }
        _ => {
            let nearest = if arguments.count() > 1 { limit(1)? } else { 1.0 };
            // Its inverse: 0.1 is no binary fraction, but 10 is a number.
            let inverse = 1.0 / nearest;
            map(samples, |value| (value * inverse + 0.5).floor() / inverse)
        }
    })
}

/// The greater of two numbers; nothing is greater than infinity, and NaN is contagious.
fn greater(one: f64, other: f64) -> f64 {
    if one == f64::INFINITY || other == f64::INFINITY {
        f64::INFINITY
    } else if one.is_nan() || other.is_nan() {
        f64::NAN
    } else {
        one.max(other)
    }
}

/// The lesser of two numbers, see [`greater`].
fn lesser(one: f64, other: f64) -> f64 {
    -greater(-one, -other)
}
