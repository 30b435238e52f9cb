//! Where weights go: one file for each router.
