//! `status.contentions`: what somebody else changed, and whether that is undone.

use jiff::Timestamp;
use tidegate_api::{Contention, Span};

use super::Draft;
use crate::plan::after;

/// How many changes of one object are remembered.
const CHANGES: usize = 10;

impl Draft {
    /// Forgets changes that are longer ago than `window`, and objects that nobody has changed since.
    pub(in crate::plan) fn forget_changes(&mut self, now: Timestamp, window: Span) {
        for known in &mut self.0.contentions {
            known.changes.retain(|change| now < after(*change, window));
        }
        self.0.contentions.retain(|known| !known.changes.is_empty());
    }

    /// Records a change of `object`, by `editor` where that is known; the name of who made it.
    pub(in crate::plan) fn note_change(
        &mut self,
        object: &str,
        editor: Option<String>,
        generation: i64,
        now: Timestamp,
    ) -> String {
        let known = self.0.contentions.iter_mut().find(|known| known.object == object);
        let manager = editor.or_else(|| known.as_ref().map(|known| known.manager.clone()));
        let manager = manager.unwrap_or_else(|| "somebody".to_owned());
        if let Some(known) = known {
            known.changes.insert(0, now);
            known.changes.truncate(CHANGES);
            known.manager.clone_from(&manager);
            (known.generation, known.answered) = (generation, false);
        } else {
            self.0.contentions.push(Contention {
                object: object.to_owned(),
                manager: manager.clone(),
                generation,
                answered: false,
                changes: vec![now],
            });
        }
        manager
    }

    /// The last change of `object` is to be undone.
    pub(in crate::plan) fn answer_change(&mut self, object: &str) {
        if let Some(known) = self.0.contentions.iter_mut().find(|known| known.object == object) {
            known.answered = true;
        }
    }
}
