//! Words for why something is as it is, each declared together with what it means and what to do about it:
//! `docs/reference/reasons.md` is printed from the same list, so that no word is without an explanation.

/// A word for why, as it stands in the status and in events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// The word.
    pub word: &'static str,
    /// What kind of event tells of it; nothing where none does.
    pub event: Option<EventType>,
    /// What it means: Markdown.
    pub meaning: &'static str,
    /// What to do about it: Markdown.
    pub remedy: &'static str,
}

/// The type of an event.
///
/// <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// Something went as it was meant to.
    Normal,
    /// Somebody may have to act.
    Warning,
}

impl EventType {
    /// As Kubernetes writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Declares reasons: for each a constant with its word, and an entry in `ALL` with its meaning, which is the constant's
/// documentation, and the remedy. `, Normal` or `, Warning` behind the word says that events tell of it.
macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $name:ident = $word:expr $(, $event:ident)? => $remedy:literal;)+) => {
        $($(#[doc = $meaning])+ pub const $name: &str = $word;)+

        /// All of them, in the order in which they are declared.
        pub const ALL: &[$crate::reason::Reason] = &[$($crate::reason::Reason {
            word: $name,
            event: $crate::reason::reasons!(@event $($event)?),
            meaning: concat!($($meaning),+),
            remedy: $remedy,
        }),+];
    };
    (@event) => { None };
    (@event $event:ident) => { Some($crate::reason::EventType::$event) };
}
pub(crate) use reasons;
