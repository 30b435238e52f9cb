//! What is kept from one operator to the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{notice::Notice, open::Open, sent::Sent};

/// The most bytes of a record: an object of Kubernetes has at most 1 MiB, and other things stand in it, too.
pub const LARGEST: usize = 900 << 10;

/// Who has been told what, and what is still to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// What each receiver has been told.
    pub receivers: BTreeMap<String, Sent>,
    /// The incidents that are open.
    pub open: Open,
    /// What is still to be told, the oldest first.
    pub waiting: Vec<Kept>,
}

/// A notice that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The notice.
    pub notice: Notice,
    /// Who is still to be told.
    pub receivers: Vec<String>,
}

impl Record {
    /// As it is written.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Self::text`] wrote.
    ///
    /// # Errors
    /// It is something else.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}
