//! An answer is cut into its series while it comes in, so that it never has to be kept as a whole.
//!
//! Only as much of JSON is understood as it takes to find where the elements of `data.result` begin and end: strings, and
//! how deep braces and brackets are. Whether each part is JSON is asked of it afterwards, whole.

use memchr::memchr2;

/// More than this around the series is no answer of the API of Prometheus.
const MOST_AROUND: usize = 64 << 10;

/// Between two series there may be so much: who writes JSON may set it out in lines.
const MOST_BETWEEN: usize = 64;

/// No series takes more than this: at 30 bytes a sample, one with 30,000 of them.
const LONGEST_ELEMENT: usize = 1 << 20;

/// Why an answer is not read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooLong {
    /// There is too much that is no series.
    Around(usize),
    /// One series does not end.
    Element(usize),
}

/// Whoever takes the elements.
pub(super) trait Elements {
    /// Why an element is not taken.
    type Refusal: From<TooLong>;

    /// Takes the element that `rest` begins with, if it can be told at once where it ends: how long it is.
    fn at_once(&mut self, rest: &[u8]) -> Result<Option<usize>, Self::Refusal>;

    /// Takes a whole element.
    fn whole(&mut self, element: &[u8]) -> Result<(), Self::Refusal>;
}

/// Cuts an answer into its elements, and what is around them.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    /// All but the elements: in the place of each there is a `0`.
    around: Vec<u8>,
    /// The beginning of an element whose end has not come yet.
    begun: Vec<u8>,
    elements: usize,
    /// How many braces and brackets are open.
    depth: usize,
    /// Where in [`Self::around`] the last string began.
    string: usize,
    /// The last string as a key, by depth: of the answer, and of its `data`.
    keys: [Key; 2],
    quoted: Quoted,
    is_in_result: bool,
    is_in_element: bool,
}

/// The keys that lead to the series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Key {
    Data,
    Result,
    #[default]
    Other,
}

/// Whether what comes next is in a string.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Quoted {
    #[default]
    No,
    Yes,
    /// It is, whatever it is.
    Escaped,
}

impl Quoted {
    /// Goes on behind `byte`; whether that belonged to a string.
    fn follow(&mut self, byte: u8) -> bool {
        *self = match (*self, byte) {
            (Self::No, _) => return false,
            (Self::Yes, b'"') => Self::No,
            (Self::Yes, b'\\') => Self::Escaped,
            (Self::Yes | Self::Escaped, _) => Self::Yes,
        };
        true
    }
}

impl Cutter {
    /// Takes what has come in; `elements` get each one that is whole by now.
    pub(super) fn push<E: Elements>(&mut self, chunk: &[u8], elements: &mut E) -> Result<(), E::Refusal> {
        let mut rest = chunk;
        while !rest.is_empty() {
            rest = if self.is_in_element { self.element(rest, elements)? } else { self.around(rest)? };
        }
        Ok(())
    }

    /// What was around the elements.
    pub(super) fn around_elements(&self) -> &[u8] {
        &self.around
    }

    /// Whether there is a web page in the place of an answer.
    pub(super) fn is_page(&self) -> bool {
        self.around.trim_ascii_start().starts_with(b"<")
    }

    /// Reads on in an element, from `chunk`; returns what is behind it.
    fn element<'c, E: Elements>(&mut self, chunk: &'c [u8], elements: &mut E) -> Result<&'c [u8], E::Refusal> {
        if self.begun.is_empty()
            && let Some(rest) = elements.at_once(chunk)?.and_then(|length| chunk.get(length..))
        {
            (self.is_in_element, self.elements) = (false, self.elements + 1);
            return Ok(rest);
        }
        let end = self.end(chunk);
        let (part, rest) = chunk.split_at_checked(end.unwrap_or(chunk.len())).unwrap_or((chunk, &[]));
        if self.begun.len() + part.len() > LONGEST_ELEMENT {
            return Err(TooLong::Element(LONGEST_ELEMENT).into());
        }
        if end.is_none() {
            self.begun.extend_from_slice(part);
            return Ok(rest);
        }
        (self.is_in_element, self.elements) = (false, self.elements + 1);
        if self.begun.is_empty() {
            elements.whole(part)?;
        } else {
            self.begun.extend_from_slice(part);
            elements.whole(&self.begun)?;
            self.begun.clear();
        }
        Ok(rest)
    }

    /// Where an element ends in `chunk`, with which it goes on. Most of it is text and numbers, which are skipped.
    fn end(&mut self, chunk: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let rest = chunk.get(at..)?;
            at += match self.quoted {
                Quoted::No => rest.iter().position(|byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']'))?,
                Quoted::Yes => memchr2(b'"', b'\\', rest)?,
                Quoted::Escaped => 0,
            };
            let byte = *chunk.get(at)?;
            at += 1;
            if self.closes(byte) {
                return Some(at);
            }
        }
    }

    /// Whether an element ends with `byte`, the next one in it that is not skipped.
    fn closes(&mut self, byte: u8) -> bool {
        if self.quoted.follow(byte) {
            return false;
        }
        match byte {
            b'"' => self.quoted = Quoted::Yes,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => return false,
        }
        // The answer, its data and their result stay open.
        self.depth == 3 && self.quoted == Quoted::No
    }

    /// Reads on around the elements, from `chunk`; returns where the next element begins.
    fn around<'c>(&mut self, chunk: &'c [u8]) -> Result<&'c [u8], TooLong> {
        let limit = MOST_AROUND + MOST_BETWEEN * self.elements;
        for (place, byte) in chunk.iter().enumerate() {
            if self.is_in_result && self.depth == 3 && self.quoted == Quoted::No && *byte == b'{' {
                self.is_in_element = true;
                self.around.push(b'0');
                return Ok(chunk.get(place..).unwrap_or_default());
            }
            if self.around.len() >= limit {
                return Err(TooLong::Around(limit));
            }
            self.around.push(*byte);
            self.step(*byte);
        }
        Ok(&[])
    }

    /// Follows where in the answer `byte` is, the last one around the elements.
    fn step(&mut self, byte: u8) {
        if self.quoted.follow(byte) {
            return;
        }
        match byte {
            b'"' => (self.quoted, self.string) = (Quoted::Yes, self.around.len()),
            b':' => {
                let written = self.around.get(self.string..self.around.len() - 1).unwrap_or_default();
                let key = match written.trim_ascii_end() {
                    b"data\"" => Key::Data,
                    b"result\"" => Key::Result,
                    _ => Key::Other,
                };
                if let Some(known) = self.depth.checked_sub(1).and_then(|place| self.keys.get_mut(place)) {
                    *known = key;
                }
            }
            b'{' | b'[' => {
                self.is_in_result |= byte == b'[' && self.depth == 2 && self.keys == [Key::Data, Key::Result];
                self.depth += 1;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.is_in_result &= self.depth > 2;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The elements of `answer`, which comes in pieces of so many bytes, and what is around them.
    fn cut(answer: &str, piece: usize) -> Result<(Vec<String>, String), TooLong> {
        let (mut cutter, mut elements) = (Cutter::default(), Found::default());
        for chunk in answer.as_bytes().chunks(piece) {
            cutter.push(chunk, &mut elements)?;
        }
        Ok((elements.0, String::from_utf8(cutter.around_elements().to_vec()).unwrap()))
    }

    /// Knows one element by its beginning.
    #[derive(Default)]
    struct Found(Vec<String>);

    impl Elements for Found {
        type Refusal = TooLong;

        fn at_once(&mut self, rest: &[u8]) -> Result<Option<usize>, TooLong> {
            let known = rest.starts_with(PLAIN.as_bytes()).then_some(PLAIN.len());
            self.0.extend(known.map(|_| PLAIN.to_owned()));
            Ok(known)
        }

        fn whole(&mut self, element: &[u8]) -> Result<(), TooLong> {
            self.0.push(String::from_utf8(element.to_vec()).unwrap());
            Ok(())
        }
    }

    const PLAIN: &str = r#"{"metric":{},"values":[[1,"2"]]}"#;

    const SERIES: &str = r#"{"metric":{"path":"\"}]\\","data":"result"},"values":[[1,"2"],[3,"4"]]}"#;

    #[test]
    fn an_answer_is_cut_at_its_series_in_whatever_pieces_it_comes() {
        let series = [SERIES, PLAIN, SERIES, PLAIN, PLAIN].map(str::to_owned).to_vec();
        let result = series.join(", ");
        let answer = format!(r#"{{"status" : "success","data":{{"resultType":"matrix","result" : [{result}]}}}}"#);
        let around = r#"{"status" : "success","data":{"resultType":"matrix","result" : [0, 0, 0, 0, 0]}}"#;
        for piece in 1..=answer.len() {
            assert_eq!(cut(&answer, piece).unwrap(), (series.clone(), around.to_owned()), "{piece}");
        }
    }

    #[test]
    fn what_only_looks_like_a_result_is_left_where_it_is() {
        for answer in [
            r#"{"result":[{"metric":{}}]}"#,
            r#"{"data":[{"result":[{"metric":{}}]}]}"#,
            r#"{"stats":{"result":[{"metric":{}}]},"data":{"other":[{"metric":{}}]}}"#,
            r#"{"data":{"resultType":"scalar","result":[1.5,"{2"]}}"#,
            r#"]]}}{"data":"#,
        ] {
            assert_eq!(cut(answer, 5).unwrap(), (Vec::new(), answer.to_owned()));
        }
    }

    #[test]
    fn what_does_not_end_is_not_kept() {
        let begun = r#"{"data":{"result":["#;
        assert_eq!(cut(&" ".repeat(1 << 20), 4096), Err(TooLong::Around(MOST_AROUND)));
        assert_eq!(cut(&format!("{begun}{}", ",".repeat(1 << 20)), 4096), Err(TooLong::Around(MOST_AROUND)));
        let endless = format!("{begun}{{\"a\":\"{}", "{".repeat(2 << 20));
        assert_eq!(cut(&endless, 4096), Err(TooLong::Element(LONGEST_ELEMENT)));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_fails_whatever_comes(answer in r#"[\[\]{}",:\\ datresul0]{0,60}"#, piece in 1usize..9) {
            let begun = format!(r#"{{"data":{{"result":[{answer}"#);
            let (elements, around) = cut(&begun, piece).unwrap();
            let whole: usize = elements.iter().map(|element| element.len() - 1).sum();
            prop_assert!(around.len() + whole <= begun.len());
            prop_assert_eq!((elements, around), cut(&begun, begun.len()).unwrap());
        }
    }
}
