//! A series in the form in which stores write it, without spaces and without escapes. It is read without a parser of JSON, with
//! which a whole look takes 1.3 times as long, and one at thousands of series 1.5 times.
//!
//! What is written otherwise is not wrong: whoever meets it leaves it to that parser.

use jiff::Timestamp;
use memchr::memchr;
use tidegate_judge::Sample;

/// Of seconds since 1970 so many digits are read. More would not be milliseconds that a float holds.
const LONGEST_SECONDS: usize = 12;

/// What is not read yet. Each method reads something it begins with, and says nothing where it begins with something else.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain<'a>(pub(super) &'a [u8]);

impl<'a> Plain<'a> {
    /// These characters.
    pub(super) fn skip(&mut self, characters: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(characters.as_bytes())?;
        Some(())
    }

    /// The rest of a text whose first quote is read.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let end = memchr(b'"', self.0)?;
        let text = self.0.get(..end).filter(|text| text.iter().all(|byte| *byte >= b' ' && *byte != b'\\'))?;
        self.0 = self.0.get(end + 1..)?;
        std::str::from_utf8(text).ok()
    }

    /// A name and its value, if they are these, none of which has a character that JSON escapes.
    pub(super) fn label(&mut self, name: &str, value: &str) -> Option<()> {
        let mut ahead = *self;
        ahead.skip("\"").and_then(|()| ahead.skip(name)).and_then(|()| ahead.skip("\":\""))?;
        ahead.skip(value).and_then(|()| ahead.skip("\""))?;
        *self = ahead;
        Some(())
    }

    /// A list of samples, of which about so many are `expected`.
    pub(super) fn samples(&mut self, expected: usize) -> Option<Vec<Sample>> {
        let mut samples = Vec::with_capacity(expected);
        self.skip("[")?;
        loop {
            samples.push(self.sample()?);
            if self.skip("]").is_some() {
                return Some(samples);
            }
            self.skip(",")?;
        }
    }

    fn sample(&mut self) -> Option<Sample> {
        self.skip("[")?;
        let at = self.instant()?;
        self.skip(",\"")?;
        let value = self.text()?.parse().ok()?;
        self.skip("]")?;
        Some(Sample { at, value })
    }

    /// Seconds since 1970 with up to three decimals, which is what a store keeps.
    fn instant(&mut self) -> Option<Timestamp> {
        if self.0.starts_with(b"0") {
            return None;
        }
        let (seconds, _) = self.digits(LONGEST_SECONDS)?;
        let milliseconds = match self.skip(".") {
            Some(()) => {
                let (decimals, count) = self.digits(3)?;
                decimals * [100, 10, 1].get(count - 1)?
            }
            None => 0,
        };
        Timestamp::from_millisecond(seconds * 1000 + milliseconds).ok()
    }

    /// A number of one digit to so many, and how many it has.
    fn digits(&mut self, most: usize) -> Option<(i64, usize)> {
        let digits = self.0.iter().take(most).take_while(|byte| byte.is_ascii_digit());
        let (number, count) =
            digits.fold((0, 0), |(number, count), digit| (number * 10 + i64::from(digit - b'0'), count + 1));
        self.0 = self.0.get(count..)?;
        (count > 0).then_some((number, count))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Numbers, Row, read};

    /// The rows of an answer with these series, each written so.
    fn rows(series: &[String]) -> Vec<Row> {
        let body =
            format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{}]}}}}"#, series.join(","));
        match read("default", 200, false, body.as_bytes()) {
            Ok(Numbers::Matrix(rows)) => rows,
            other => panic!("{body}: {other:?}"),
        }
    }

    /// As stores write it, and with spaces, which [`super::Plain`] leaves to the parser.
    fn in_both_forms(labels: &[(String, String)], samples: &[(String, String)]) -> [String; 2] {
        let label = |(name, value): &(String, String)| format!("{name:?}:{}", serde_json::to_string(value).unwrap());
        let labels = labels.iter().map(label).collect::<Vec<_>>().join(",");
        let sample = |(at, value): &(String, String)| format!("[{at},{value:?}]");
        let samples = samples.iter().map(sample).collect::<Vec<_>>().join(",");
        let plain = format!(r#"{{"metric":{{{labels}}},"values":[{samples}]}}"#);
        [plain.clone(), plain.replacen('{', "{ ", 1)]
    }

    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-c]{0,2}",
            Just("a\"b".to_owned()),
            Just("a\\".to_owned()),
            Just("é".to_owned()),
            "[a,:\"{}]{1,9}"
        ]
    }

    fn instants() -> impl Strategy<Value = String> {
        prop_oneof!["[1-9][0-9]{0,10}", "[1-9][0-9]{5}\\.[0-9]{1,6}", Just("0.5".to_owned()), Just("1.75e9".to_owned())]
    }

    fn values() -> impl Strategy<Value = String> {
        let odd = ["NaN", "+Inf", "-Inf", "1e+06", "-0", "2.5"].map(str::to_owned).to_vec();
        prop_oneof!["[0-9]{1,12}", prop::sample::select(odd)]
    }

    proptest! {
        #[test]
        fn a_series_is_the_same_whichever_way_it_is_read(
            series in prop::collection::vec(
                (
                    prop::collection::vec(("[a-c_]{1,2}", texts()), 0..4),
                    prop::collection::vec((instants(), values()), 0..4),
                ),
                1..4,
            )
        ) {
            let written: Vec<_> = series.iter().map(|(labels, samples)| in_both_forms(labels, samples)).collect();
            let [plain, parsed] = [0, 1].map(|form| rows(&written.iter().map(|both| both[form].clone()).collect::<Vec<_>>()));
            prop_assert_eq!(format!("{plain:?}"), format!("{parsed:?}"));
        }
    }

    #[test]
    fn a_label_that_only_begins_like_the_one_before_is_its_own() {
        let of = |value: &str| in_both_forms(&[("a".into(), value.into())], &[("1".into(), "2".into())])[0].clone();
        let rows = rows(&[of("x"), of("xy"), of("x\",\"b\":\"y"), of("x")]);
        let values: Vec<_> = rows.iter().map(|row| row.label("a").unwrap()).collect();
        assert_eq!(values, ["x", "xy", "x\",\"b\":\"y", "x"]);
        assert!(rows.iter().all(|row| row.labels.len() == 1));
    }
}
