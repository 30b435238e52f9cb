//! The wire format of protocol buffers: numbered values one after another.
//!
//! <https://protobuf.dev/programming-guides/encoding/>

/// A value as it stands on the wire; what it means, only its message knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    /// A whole number, a flag or an enumeration.
    Number(u64),
    /// Eight bytes, which hold a `double` here.
    Eight([u8; 8]),
    /// Text, bytes, a message, or numbers one after another.
    Bytes(&'a [u8]),
    /// Four bytes, which no built-in kind has.
    Four,
}

const CUT_OFF: &str = "it is cut off";

/// The values in `bytes`, each with its number; the last is an error where they cannot be read.
pub(super) fn fields(bytes: &[u8]) -> impl Iterator<Item = Result<(u64, Value<'_>), &'static str>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = field(&mut rest);
        if field.is_err() {
            rest = &[];
        }
        Some(field)
    })
}

/// The numbers in `bytes`, one after another.
pub(super) fn numbers(mut bytes: &[u8]) -> Result<Vec<u64>, &'static str> {
    let mut numbers = Vec::new();
    while !bytes.is_empty() {
        numbers.push(number(&mut bytes)?);
    }
    Ok(numbers)
}

/// `bytes` as text.
pub(super) fn text(bytes: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(bytes).map_err(|_| "a text in it is not UTF-8")
}

fn field<'a>(rest: &mut &'a [u8]) -> Result<(u64, Value<'a>), &'static str> {
    let key = number(rest)?;
    let value = match key & 7 {
        0 => Value::Number(number(rest)?),
        1 => Value::Eight(*take(rest, 8)?.first_chunk().ok_or(CUT_OFF)?),
        2 => {
            let length = usize::try_from(number(rest)?).map_err(|_| CUT_OFF)?;
            Value::Bytes(take(rest, length)?)
        }
        5 => {
            take(rest, 4)?;
            Value::Four
        }
        _ => return Err("a value in it is of a kind that protobuf no longer has"),
    };
    Ok((key >> 3, value))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], &'static str> {
    let (taken, left) = rest.split_at_checked(length).ok_or(CUT_OFF)?;
    *rest = left;
    Ok(taken)
}

/// Seven bits to a byte, the lowest first; the eighth tells that there are more.
fn number(rest: &mut &[u8]) -> Result<u64, &'static str> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, left) = rest.split_first().ok_or(CUT_OFF)?;
        *rest = left;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err("a number in it has more than 64 bits")
}
