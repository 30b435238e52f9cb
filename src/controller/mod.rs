//! Watch, reconcile, commit, apply: the only place where it all meets.
