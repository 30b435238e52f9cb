//! Samples as Prometheus' remote write takes them: protobuf in snappy's block format, of which only literals are used.
//! Unlike the text formats it can carry markers of staleness.
//! <https://prometheus.io/docs/specs/prw/remote_write_spec/>

use tidegate_promql::{Labels, Point};

/// A `WriteRequest` with these series.
pub fn request<'a>(series: impl Iterator<Item = (&'a Labels, &'a [Point])>) -> Vec<u8> {
    let mut message = Vec::new();
    for (labels, points) in series {
        field(&mut message, 1, &time_series(labels, points));
    }
    literals(&message)
}

fn time_series(labels: &Labels, points: &[Point]) -> Vec<u8> {
    let mut message = Vec::new();
    for (name, value) in labels.iter() {
        let mut label = Vec::new();
        field(&mut label, 1, name.as_bytes());
        field(&mut label, 2, value.as_bytes());
        field(&mut message, 1, &label);
    }
    for point in points {
        let mut sample = vec![1 << 3 | 1];
        sample.extend(point.value.to_le_bytes());
        sample.push(2 << 3);
        varint(&mut sample, point.at.cast_unsigned());
        field(&mut message, 2, &sample);
    }
    message
}

/// A field of bytes.
pub fn field(message: &mut Vec<u8>, number: u8, content: &[u8]) {
    message.push(number << 3 | 2);
    varint(message, content.len() as u64);
    message.extend(content);
}

pub fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    message.push(value.to_le_bytes()[0]);
}

fn literals(content: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    varint(&mut block, content.len() as u64);
    for chunk in content.chunks(1 << 16) {
        // A literal whose length stands in the next two bytes.
        block.push(61 << 2);
        block.extend(u16::try_from(chunk.len() - 1).unwrap_or(u16::MAX).to_le_bytes());
        block.extend(chunk);
    }
    block
}
