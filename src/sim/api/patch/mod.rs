//! The kinds of patch: JSON, merge, strategic merge, and server-side apply.
