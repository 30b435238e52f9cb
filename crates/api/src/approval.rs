//! Approvals, as an annotation of the Rollout: one entry for each person and gate, with a semicolon between them.

use std::collections::BTreeMap;

use super::metadata::annotation::APPROVE_ANNOTATION;

/// So many entries are read, and so many letters of each: they go into the status.
const MOST: usize = 32;
const LONGEST: usize = 400;

/// So many letters of what is none.
const TOLD: usize = 60;

/// One person's yes to one gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// The revision that it is meant for.
    pub revision: String,
    /// The gate.
    pub gate: String,
    /// Who, as the entry says.
    pub by: String,
    /// The groups that they are of, as the entry says.
    pub groups: Vec<String>,
    /// The whole entry, without the spaces around it.
    pub text: String,
}

impl Approved {
    /// The approvals in `annotations`, as `REVISION/GATE by NAME`, and perhaps ` of GROUP,GROUP`; what stands behind it is for
    /// people. What is no such entry is left out, and one of [`Self::malformed`].
    ///
    /// The chart's policy (`templates/approvals.yaml`) reads the same words in the same places: what one of the two read
    /// otherwise would let somebody approve under another name.
    pub fn all(annotations: Option<&BTreeMap<String, String>>) -> impl Iterator<Item = Self> {
        let text = annotations.and_then(|annotations| annotations.get(APPROVE_ANNOTATION));
        text.into_iter().flat_map(|text| text.split(';')).filter_map(Self::read).take(MOST)
    }

    /// The entries that are no approval, in quotation marks, with their beginning alone where they are long: so that none of
    /// them reads as somebody's approval does.
    pub fn malformed(annotations: Option<&BTreeMap<String, String>>) -> impl Iterator<Item = String> {
        let text = annotations.and_then(|annotations| annotations.get(APPROVE_ANNOTATION));
        let entries = text.into_iter().flat_map(|text| text.split(';')).filter(|entry| !entry.trim().is_empty());
        entries.filter(|entry| Self::read(entry).is_none()).map(quoted).take(MOST)
    }

    /// Whether an entry of the annotation reads `text`, also behind those that are read.
    #[must_use]
    pub fn is_written(annotations: Option<&BTreeMap<String, String>>, text: &str) -> bool {
        let written = annotations.and_then(|annotations| annotations.get(APPROVE_ANNOTATION));
        written.is_some_and(|written| written.split(';').any(|entry| entry.trim() == text || quoted(entry) == text))
    }

    fn read(entry: &str) -> Option<Self> {
        let text = entry.trim();
        if text.len() > LONGEST || text.chars().any(char::is_control) {
            return None;
        }
        let mut words = text.split(' ');
        let (revision, gate) = words.next()?.split_once('/')?;
        let by = words.next().filter(|word| *word == "by").and_then(|_| words.next())?;
        let groups = words.next().filter(|word| *word == "of").and_then(|_| words.next());
        Some(Self {
            revision: revision.to_owned(),
            gate: gate.to_owned(),
            by: by.to_owned(),
            groups: groups.into_iter().flat_map(|groups| groups.split(',')).map(str::to_owned).collect(),
            text: text.to_owned(),
        })
    }
}

/// What is no approval, as it goes into the status.
fn quoted(entry: &str) -> String {
    format!("{:?}", entry.trim().chars().take(TOLD).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approved(annotation: &str) -> Vec<Approved> {
        let annotations = BTreeMap::from([("tidegate.dev/approve".to_owned(), annotation.to_owned())]);
        Approved::all(Some(&annotations)).collect()
    }

    #[test]
    fn each_entry_names_the_revision_the_gate_and_who() {
        let both = approved("7f9c/sign-off by jane of sre,release at 2026-03-02T09:00:00Z; 7f9c/legal by joe;");
        let told: Vec<_> = both.iter().map(|it| (it.gate.as_str(), it.by.as_str(), it.groups.len())).collect();
        assert_eq!(told, [("sign-off", "jane", 2), ("legal", "joe", 0)]);
        assert_eq!(both[1].text, "7f9c/legal by joe");
    }

    #[test]
    fn what_names_nobody_or_no_gate_is_none() {
        assert_eq!(approved("7f9c by jane; 7f9c/sign-off; 7f9c/sign-off at noon by jane; 7f9c/legal  by joe; ;"), []);
        assert_eq!(Approved::all(None).count(), 0);
    }

    #[test]
    fn what_is_no_approval_is_told_and_reads_as_nobody_s() {
        let told = |annotation: &str| {
            let annotations = BTreeMap::from([("tidegate.dev/approve".to_owned(), annotation.to_owned())]);
            let told: Vec<_> = Approved::malformed(Some(&annotations)).collect();
            assert!(told.iter().all(|text| Approved::is_written(Some(&annotations), text)), "{told:?}");
            told
        };
        let written = "7f9c by jane; 7f9c/legal by joe; ; 7f9c/sign-off by ja\u{7}ne;";
        assert_eq!(told(written), ["\"7f9c by jane\"", "\"7f9c/sign-off by ja\\u{7}ne\""]);
        assert_eq!(told(&format!("a/b by {}", "j".repeat(10_000)))[0].len(), TOLD + 2);
        assert_eq!(told(&"a;".repeat(1000)).len(), MOST);
        assert_eq!(Approved::malformed(None).count(), 0);
    }

    #[test]
    fn what_stands_behind_the_name_changes_nothing_about_whose_it_is() {
        for entry in
            ["a/b by me by admin", "a/b by me at 7 by admin", "a/b by me of sre by admin", "a/b by me\u{a0}by admin"]
        {
            assert!(approved(entry).iter().all(|it| it.by != "admin"), "{entry}");
        }
        assert_eq!(approved("a/b by me\tby admin"), []);
    }

    #[test]
    fn what_is_read_is_bounded() {
        assert_eq!(approved(&"a/b by jane;".repeat(1000)).len(), MOST);
        assert_eq!(approved(&format!("a/b by {}", "j".repeat(10_000))), []);
    }
}
