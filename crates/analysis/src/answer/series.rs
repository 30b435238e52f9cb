//! One series as the API writes it, and how many of them are kept.

use std::{borrow::Cow, collections::HashSet, marker::PhantomData, sync::Arc};

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor},
};
use tidegate_judge::Sample;

use super::{
    Labels, Row,
    histogram::{Histogram, WrittenHistogram},
    plain::Plain,
};
use crate::error::Excess;

/// Of each series that an answer may have, so many samples and so many bytes of labels are kept, on average.
const SAMPLES: usize = 10;
const LABELS: usize = 512;

/// How much of an answer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) series: usize,
}

/// A sample as the API writes it: seconds, and the value as text.
#[derive(Deserialize)]
pub(super) struct WrittenSample<'a>(f64, #[serde(borrow)] Cow<'a, str>);

impl WrittenSample<'_> {
    pub(super) fn value(&self) -> Option<f64> {
        self.1.parse().ok()
    }

    fn sample(&self) -> Option<Sample> {
        Some(Sample { at: instant(self.0)?, value: self.value()? })
    }
}

/// So many seconds since 1970.
pub(super) fn instant(seconds: f64) -> Option<Timestamp> {
    // Prometheus keeps milliseconds, and far fewer than 2⁵³ of them.
    #[allow(clippy::cast_possible_truncation)]
    let milliseconds = (seconds * 1e3).round() as i64;
    Timestamp::from_millisecond(milliseconds).ok()
}

/// A text that is not copied where it stands in the answer as it is.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Texts, each once. Applications choose them: none of them may know where they collide.
type Interned = HashSet<Arc<str>, foldhash::fast::RandomState>;

/// The series of an answer, as far as they have come in.
#[derive(Debug)]
pub(super) struct Kept {
    limits: Limits,
    /// Those with samples, as an answer for a range has them.
    pub(super) rows: Vec<Row>,
    /// The numbers of those that have one each.
    pub(super) values: Vec<f64>,
    /// Whether any of those is a native histogram, which is no number.
    pub(super) has_native: bool,
    samples: usize,
    label_bytes: usize,
    texts: Interned,
    /// Whether the labels of the last row were written without escapes.
    is_plain: bool,
}

/// Why a series is not kept.
#[derive(Debug, PartialEq)]
pub(super) enum NotKept {
    /// It is none.
    NoSeries,
    /// There are too many.
    TooMany(Excess),
}

impl Kept {
    pub(super) fn new(limits: Limits) -> Self {
        let (rows, values, texts) = (Vec::new(), Vec::new(), Interned::default());
        Self { limits, rows, values, has_native: false, samples: 0, label_bytes: 0, texts, is_plain: false }
    }

    /// Takes the one that `written` begins with, if it is written as nearly all are; how long it is.
    pub(super) fn take_plain(&mut self, written: &[u8]) -> Result<Option<usize>, NotKept> {
        let mut rest = Plain(written);
        let Some(row) = self.plain(&mut rest) else { return Ok(None) };
        self.is_plain = true;
        self.keep(row);
        self.within_limits()?;
        Ok(Some(written.len() - rest.0.len()))
    }

    /// Takes one more, however it is written.
    pub(super) fn take(&mut self, written: &[u8]) -> Result<(), NotKept> {
        if self.take_plain(written)? == Some(written.len()) {
            return Ok(());
        }
        // Once for all of its texts.
        let written = std::str::from_utf8(written).map_err(|_| NotKept::NoSeries)?;
        self.is_plain = false;
        let of_before = self.labels_before();
        let mut json = serde_json::Deserializer::from_str(written);
        let element = WrittenSeries(self.texts(&of_before)).deserialize(&mut json).map_err(|_| NotKept::NoSeries)?;
        self.has_native |= element.is_native;
        if let Some(value) = element.value {
            self.values.push(value);
        }
        if element.samples.is_some() || element.histograms.is_some() {
            let (samples, histograms) = (element.samples.unwrap_or_default(), element.histograms.unwrap_or_default());
            self.keep(Row { labels: element.labels, samples, histograms });
        }
        self.within_limits()
    }

    /// A series with samples.
    fn plain(&mut self, rest: &mut Plain<'_>) -> Option<Row> {
        rest.skip("{\"metric\":{")?;
        let (of_before, is_plain) = (self.labels_before(), self.is_plain);
        let labels = self.texts(&of_before).plain(rest, is_plain)?;
        rest.skip(",\"values\":")?;
        let samples = rest.samples(self.rows.last().map_or(0, |row| row.samples.len()))?;
        rest.skip("}")?;
        Some(Row { labels, samples, histograms: Vec::new() })
    }

    fn keep(&mut self, row: Row) {
        // A bucket takes as much memory as a sample.
        let buckets: usize = row.histograms.iter().map(|histogram| 1 + histogram.buckets.len()).sum();
        self.samples += row.samples.len() + buckets;
        self.label_bytes += size_of_val(&*row.labels);
        self.rows.push(row);
    }

    fn labels_before(&self) -> Labels {
        self.rows.last().map(|row| Arc::clone(&row.labels)).unwrap_or_default()
    }

    fn texts<'k>(&'k mut self, before: &'k [(Arc<str>, Arc<str>)]) -> Texts<'k> {
        Texts { known: &mut self.texts, before, bytes: &mut self.label_bytes }
    }

    fn within_limits(&self) -> Result<(), NotKept> {
        let Limits { series } = self.limits;
        let (most_samples, most_bytes) = (series.saturating_mul(SAMPLES), series.saturating_mul(LABELS));
        if self.rows.len().max(self.values.len()) > series {
            return Err(NotKept::TooMany(Excess::Series(series)));
        }
        if self.samples > most_samples {
            return Err(NotKept::TooMany(Excess::Samples(most_samples)));
        }
        if self.label_bytes > most_bytes {
            return Err(NotKept::TooMany(Excess::Labels(most_bytes)));
        }
        Ok(())
    }
}

#[derive(Default)]
struct Element {
    labels: Labels,
    value: Option<f64>,
    samples: Option<Vec<Sample>>,
    histograms: Option<Vec<Histogram>>,
    is_native: bool,
}

/// The names and values of labels, each kept once: most series differ in one or two of them.
struct Texts<'k> {
    known: &'k mut Interned,
    /// Those of the series before.
    before: &'k [(Arc<str>, Arc<str>)],
    bytes: &'k mut usize,
}

impl Texts<'_> {
    fn kept(&mut self, text: &str, before: Option<&Arc<str>>) -> Arc<str> {
        if let Some(known) = before.filter(|before| ***before == *text).or_else(|| self.known.get(text)) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.known.insert(Arc::clone(&new));
        *self.bytes += text.len() + size_of::<Arc<str>>() * 2;
        new
    }

    /// Labels up to and with the brace behind them. Where those of the series before are plain, a label that is the same is known
    /// by its characters.
    fn plain(&mut self, rest: &mut Plain<'_>, before_is_plain: bool) -> Option<Labels> {
        let mut labels = Vec::with_capacity(self.before.len());
        loop {
            let before = self.before.get(labels.len());
            let same = before.filter(|(name, value)| before_is_plain && rest.label(name, value).is_some());
            labels.push(if let Some(label) = same {
                label.clone()
            } else {
                rest.skip("\"")?;
                let name = rest.text()?;
                rest.skip(":\"")?;
                self.label(name, rest.text()?, before)
            });
            if rest.skip("}").is_some() {
                return Some(Self::all(labels));
            }
            rest.skip(",")?;
        }
    }

    fn label(&mut self, name: &str, value: &str, before: Option<&(Arc<str>, Arc<str>)>) -> (Arc<str>, Arc<str>) {
        (self.kept(name, before.map(|(name, _)| name)), self.kept(value, before.map(|(_, value)| value)))
    }

    /// All labels of a series.
    fn all(mut labels: Vec<(Arc<str>, Arc<str>)>) -> Labels {
        labels.sort_by(|(one, _), (other, _)| one.cmp(other));
        labels.into()
    }
}

struct WrittenSeries<'k>(Texts<'k>);

impl<'de> DeserializeSeed<'de> for WrittenSeries<'_> {
    type Value = Element;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Element, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for WrittenSeries<'_> {
    type Value = Element;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a series")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<Element, M::Error> {
        let no_number = || M::Error::custom("a sample that is neither a time nor a number");
        let mut element = Element::default();
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            match &*key {
                "metric" => element.labels = map.next_value_seed(WrittenLabels(&mut self.0))?,
                "value" => {
                    element.value = Some(map.next_value::<WrittenSample<'_>>()?.value().ok_or_else(no_number)?);
                }
                "values" => element.samples = Some(map.next_value::<Each<WrittenSample<'de>>>()?.0),
                "histograms" => element.histograms = Some(map.next_value::<Each<WrittenHistogram>>()?.0),
                "histogram" => element.is_native |= map.next_value::<Option<IgnoredAny>>()?.is_some(),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(element)
    }
}

struct WrittenLabels<'t, 'k>(&'t mut Texts<'k>);

impl<'de> DeserializeSeed<'de> for WrittenLabels<'_, '_> {
    type Value = Labels;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Labels, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for WrittenLabels<'_, '_> {
    type Value = Labels;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("labels")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Labels, M::Error> {
        let mut labels: Vec<(Arc<str>, Arc<str>)> = Vec::with_capacity(self.0.before.len());
        while let Some((Text(name), Text(value))) = map.next_entry::<Text<'de>, Text<'de>>()? {
            labels.push(self.0.label(&name, &value, self.0.before.get(labels.len())));
        }
        Ok(Texts::all(labels))
    }
}

/// Something at a time.
trait Written {
    type Read;

    /// The same in numbers; nothing if it is neither a time nor a number.
    fn read(self) -> Option<Self::Read>;
}

impl Written for WrittenSample<'_> {
    type Read = Sample;

    fn read(self) -> Option<Sample> {
        self.sample()
    }
}

impl Written for WrittenHistogram {
    type Read = Histogram;

    fn read(self) -> Option<Histogram> {
        self.histogram()
    }
}

/// Samples, read one after the other.
struct Each<W: Written>(Vec<W::Read>);

impl<'de, W: Written + Deserialize<'de>> Deserialize<'de> for Each<W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneByOne<W>(PhantomData<W>);

        impl<'de, W: Written + Deserialize<'de>> Visitor<'de> for OneByOne<W> {
            type Value = Each<W>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("samples")
            }

            fn visit_seq<S: serde::de::SeqAccess<'de>>(self, mut sequence: S) -> Result<Each<W>, S::Error> {
                let mut samples = Vec::new();
                while let Some(written) = sequence.next_element::<W>()? {
                    let sample = written.read();
                    samples
                        .push(sample.ok_or_else(|| S::Error::custom("a sample that is neither a time nor a number"))?);
                }
                samples.shrink_to_fit();
                Ok(Each(samples))
            }
        }

        deserializer.deserialize_seq(OneByOne(PhantomData))
    }
}
