//! A gateway that does not do what it should.
use crate::behaviour::behaviours;
behaviours![];
