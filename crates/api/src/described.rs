//! Names that Tidegate gives to things in the cluster, or knows them by, each declared together with what it is there for:
//! `docs/reference` is printed from the same lists, so that no name is without an explanation.

/// A name with what it is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// The name.
    pub name: &'static str,
    /// What it is there for: Markdown.
    pub meaning: &'static str,
}

/// Declares names: for each a constant, and an entry in `ALL` with its meaning, which is the constant's documentation.
macro_rules! described {
    ($($(#[doc = $meaning:literal])+ $constant:ident = $name:literal;)+) => {
        $($(#[doc = $meaning])+ pub const $constant: &str = $name;)+

        /// All of them, in the order in which they are declared.
        pub const ALL: &[$crate::described::Described] =
            &[$($crate::described::Described { name: $constant, meaning: concat!($($meaning),+) }),+];
    };
}
pub(crate) use described;
