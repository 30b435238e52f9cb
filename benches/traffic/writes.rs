//! How often the operator wrote routes, and how often it had another weight to write.

use std::fmt;

use serde_json::Value;

use crate::scenes::{AT_REST, Played};

/// All scenes' writes.
pub struct Writes<'a>(pub &'a [Played]);

impl fmt::Display for Writes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "writes of the route, and how many of them said something new:")?;
        for played in self.0 {
            let routes = played.writes.iter().filter(|write| write.access.resource == "httproutes");
            let said: Vec<&Value> = routes.clone().map(|write| &write.body["spec"]).collect();
            let news = said.windows(2).filter(|pair| pair[0] != pair[1]).count() + usize::from(!said.is_empty());
            let refused = routes.filter(|write| write.code == 409).count();
            writeln!(f, "  {:<20} {:>3} of them new {news:>3}, refused {refused:>3}", played.name, said.len())?;
        }
        let at_rest: usize = self.0.iter().filter_map(|played| played.at_rest).sum();
        writeln!(f, "writes at rest, for {AT_REST:?}: {at_rest}")
    }
}
