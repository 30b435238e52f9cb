//! The structural schema of CRDs: pruning, defaulting, validation.
