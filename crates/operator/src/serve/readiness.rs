//! Whether this process can do its work, and if not, what it waits for.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
};

/// What this process waits for before it can do its work. Leading is not part of it: a standby is ready.
///
/// A clone speaks of the same process.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Mutex<Option<Cow<'static, str>>>>);

impl Default for Readiness {
    fn default() -> Self {
        Self::waiting_for("the operator is starting")
    }
}

impl Readiness {
    /// Not ready, for the reason in `sentence`.
    #[must_use]
    pub fn waiting_for(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Mutex::new(Some(sentence.into()))))
    }

    /// Not ready from now on, for the reason in `sentence`.
    pub fn wait_for(&self, sentence: impl Into<Cow<'static, str>>) {
        self.set(Some(sentence.into()));
    }

    /// Ready from now on.
    pub fn ready(&self) {
        self.set(None);
    }

    /// What is waited for; nothing when the process is ready.
    #[must_use]
    pub fn waiting(&self) -> Option<Cow<'static, str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, waiting: Option<Cow<'static, str>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
    }
}
