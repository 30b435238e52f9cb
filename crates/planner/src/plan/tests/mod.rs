//! The plan at work on a toy cluster. After every single write the invariants are checked.

mod cluster;
mod invariants;
mod journal;
mod lab;
mod specs;

mod adoption;
mod asked;
mod audience;
mod bite;
mod bypassing_routes;
mod capacity;
mod commands;
mod contention;
mod crash;
mod edits;
mod gates;
mod gateways;
mod hand_back;
mod judgement;
mod long_names;
mod lost_sets;
mod orphans;
mod policies;
mod preflight;
mod promotion;
mod random;
mod revisions;
mod scaling;
mod schedule;
mod selection;
mod share;
mod small_worlds;
mod step_back;
mod suspect_pod;
mod unwell;
