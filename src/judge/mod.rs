//! What the numbers say. Pure: blocks of counts in, a verdict with its numbers out.
