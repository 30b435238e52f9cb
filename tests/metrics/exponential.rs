//! A native histogram with exponential buckets, as an application exposes it: in protobuf, and in nothing else.
//!
//! <https://prometheus.io/docs/specs/native_histograms/#exposition-formats>

use std::collections::BTreeMap;

use crate::remote_write::{field, varint};

/// Who accepts this reads native histograms.
pub const MEDIA_TYPE: &str = "application/vnd.google.protobuf";

/// What is served to them.
pub const CONTENT_TYPE: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// The types of fields: <https://protobuf.dev/programming-guides/encoding/#structure>
const VARINT: u8 = 0;
const FIXED64: u8 = 1;

/// A histogram whose buckets grow by 2^(2^-schema).
pub struct Exponential {
    pub schema: i32,
    zero: u64,
    buckets: BTreeMap<i32, u64>,
    sum: f64,
}

impl Exponential {
    pub fn new(schema: i32) -> Self {
        Self { schema, zero: 0, buckets: BTreeMap::new(), sum: 0.0 }
    }

    /// Observes `seconds` so often.
    pub fn observe(&mut self, seconds: f64, count: u32) {
        self.sum += seconds * f64::from(count);
        if seconds == 0.0 {
            self.zero += u64::from(count);
            return;
        }
        // Far fewer than 2³¹: durations are neither very long nor very short.
        #[allow(clippy::cast_possible_truncation)]
        let place = (seconds.log2() * 2f64.powi(self.schema) - 1e-9).ceil() as i32;
        *self.buckets.entry(place).or_default() += u64::from(count);
    }

    /// Makes each two buckets one until there is no more resolution than that.
    pub fn reduce_to(&mut self, schema: i32) {
        while self.schema > schema {
            let mut merged = BTreeMap::new();
            for (place, count) in &self.buckets {
                *merged.entry((place + 1).div_euclid(2)).or_default() += count;
            }
            (self.schema, self.buckets) = (self.schema - 1, merged);
        }
    }

    /// The metric `name` that has this one histogram, as a message with its length before it.
    pub fn family(&self, name: &str) -> Vec<u8> {
        let mut metric = Vec::new();
        field(&mut metric, 7, &self.histogram());
        let mut family = Vec::new();
        field(&mut family, 1, name.as_bytes());
        number(&mut family, 3, 4);
        field(&mut family, 4, &metric);
        let mut delimited = Vec::new();
        varint(&mut delimited, family.len() as u64);
        delimited.extend(family);
        delimited
    }

    fn histogram(&self) -> Vec<u8> {
        let mut message = Vec::new();
        number(&mut message, 1, self.zero + self.buckets.values().sum::<u64>());
        double(&mut message, 2, self.sum);
        number(&mut message, 5, zigzag(i64::from(self.schema)));
        double(&mut message, 6, 1e-128);
        number(&mut message, 7, self.zero);
        // Each bucket in a span of its own, so far behind the end of the one before; and how many more it holds than that.
        let (mut end, mut before, mut deltas) = (0, 0, Vec::new());
        for (place, count) in &self.buckets {
            let mut span = Vec::new();
            number(&mut span, 1, zigzag(i64::from(place - end)));
            number(&mut span, 2, 1);
            field(&mut message, 12, &span);
            varint(&mut deltas, zigzag(count.cast_signed() - before));
            (end, before) = (place + 1, count.cast_signed());
        }
        field(&mut message, 13, &deltas);
        message
    }
}

fn number(message: &mut Vec<u8>, field: u8, value: u64) {
    message.push(field << 3 | VARINT);
    varint(message, value);
}

fn double(message: &mut Vec<u8>, field: u8, value: f64) {
    message.push(field << 3 | FIXED64);
    message.extend(value.to_le_bytes());
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}
