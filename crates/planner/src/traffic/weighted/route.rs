//! An object of one of the kinds as a whole.

use serde_json::Value;
use tidegate_api::Percent;

use super::{
    kinds::RouteKind,
    list::{Indivisible, ListEditor, Role},
    lists::Rule,
};
use crate::traffic::{Acceptance, Names, Router, Split, UnusableRoute};

/// An object whose rules list Services with weights.
#[derive(Debug, Clone, Copy)]
pub struct WeightedRoute<'a> {
    /// Its kind.
    pub kind: &'static RouteKind,
    /// What the Services are called.
    pub names: &'a Names,
    /// Its namespace, and that of the Services.
    pub namespace: &'a str,
    /// The names of the rules that carry the weights; the others stay with stable until the canary has everything. Without it,
    /// all do.
    pub chosen: Option<&'a [String]>,
}

impl Router for WeightedRoute<'_> {
    type Object = Value;

    fn can_split(&self, object: &Value, splits: &[Split<'_>]) -> Result<(), UnusableRoute> {
        splits.iter().try_for_each(|split| self.split(object, *split).map(drop))?;
        let is_there = |name: &&String| self.rules(object).any(|rule| rule.is_called(name) && self.mentions(rule.list));
        match self.chosen.into_iter().flatten().find(|name| !is_there(name)) {
            Some(name) => Err(self.no_such_rule(object, name)),
            None => Ok(()),
        }
    }

    /// What somebody adds to an object that is divided closes no way back: a rule of theirs that cannot be divided is left as it
    /// is.
    fn split(&self, object: &Value, split: Split<'_>) -> Result<Value, UnusableRoute> {
        if !split.is_plain() {
            let why = "it carries weights only: leave out match and mirror of the stages, and sessionPersistence";
            return Err(UnusableRoute::of(object, &why));
        }
        let mut changed = object.clone();
        let mut divided = self.divided(object, split.weight)?.into_iter();
        for lists in self.kind.lists {
            for list in lists.of_mut(&mut changed) {
                if let Some(divided) = divided.next().flatten() {
                    *list = divided;
                }
            }
        }
        Ok(changed)
    }

    fn is_split(&self, object: &Value, split: Split<'_>) -> bool {
        let Ok(wanted) = self.divided(object, split.weight) else { return false };
        split.is_plain()
            && self.rules(object).zip(wanted).all(|(rule, wanted)| wanted.is_none_or(|wanted| wanted == rule.list))
    }

    fn unsplit(&self, object: &Value) -> Value {
        let mut whole = object.clone();
        for lists in self.kind.lists {
            for list in lists.of_mut(&mut whole) {
                if let Some(joined) = self.editor().joined(list) {
                    *list = joined;
                }
            }
        }
        whole
    }

    fn is_whole(&self, object: &Value) -> bool {
        !self.rules(object).any(|rule| self.editor().is_divided(rule.list))
    }

    /// All but weights comes back whatever they are. Of those that are written as they would be without, and stand beside others
    /// that are not, nobody could tell which were written.
    fn can_restore(&self, object: &Value) -> Result<(), UnusableRoute> {
        let there_and_back = self.split(object, Percent::new(50.0).into()).map(|split| self.unsplit(&split))?;
        if there_and_back == *object {
            return Ok(());
        }
        let why = "the weights of a rule could not be put back as they stand: write all of them as whole numbers, or leave out those that say what is so without them, and no 0 for a Service that stands alone";
        Err(UnusableRoute::of(object, &why))
    }

    fn canary_share(&self, object: &Value) -> Option<Percent> {
        self.rules(object).filter_map(|rule| self.editor().canary_share(rule.list)).reduce(Percent::lower)
    }

    fn acceptance(&self, object: &Value) -> Acceptance {
        (self.kind.acceptance)(object)
    }
}

impl<'a> WeightedRoute<'a> {
    fn editor(&self) -> ListEditor<'a> {
        ListEditor { kind: self.kind, names: self.names, namespace: self.namespace }
    }

    fn rules<'v>(&self, object: &'v Value) -> impl Iterator<Item = Rule<'v>> {
        self.kind.lists.iter().flat_map(|lists| lists.of(object))
    }

    fn mentions(&self, list: &[Value]) -> bool {
        self.editor().is_divided(list) || self.editor().has(list, Role::Service)
    }

    /// The lists of all rules with the canary at `share`; nothing for those that are left as they are.
    fn divided(&self, object: &Value, share: Percent) -> Result<Vec<Option<Vec<Value>>>, UnusableRoute> {
        let editor = self.editor();
        let is_under_way = !self.is_whole(object);
        let mut all = Vec::new();
        for rule in self.rules(object) {
            let joined = editor.joined(rule.list);
            let list = joined.as_deref().unwrap_or(rule.list);
            let carries = share == Percent::FULL || self.is_chosen(&rule);
            let share = if carries { share } else { Percent::ZERO };
            let divide = || editor.can_be_divided(list).and_then(|()| editor.divided(list, share));
            all.push(match joined {
                _ if !editor.has(list, Role::Service) => None,
                Some(_) => Some(editor.divided(list, share).map_err(|why| in_rule(object, &rule, &why))?),
                None if is_under_way => divide().ok(),
                None => Some(divide().map_err(|why| in_rule(object, &rule, &why))?),
            });
        }
        if all.iter().all(Option::is_none) {
            let service = &self.names.service;
            let why =
                format!("no rule of it points at Service {service} of namespace {}: add it to one", self.namespace);
            return Err(UnusableRoute::of(object, &why));
        }
        Ok(all)
    }

    fn is_chosen(&self, rule: &Rule<'_>) -> bool {
        self.chosen.is_none_or(|chosen| chosen.iter().any(|name| rule.is_called(name)))
    }

    fn no_such_rule(&self, object: &Value, name: &str) -> UnusableRoute {
        if !self.kind.has_named_rules {
            let why = format!("rules of its kind have no names: leave rules out of {}", self.kind.kind);
            return UnusableRoute::of(object, &why);
        }
        let service = &self.names.service;
        let why = format!(
            "it has no rule called {name} that points at Service {service}: give the rule that name, or choose another in spec.traffic.routes"
        );
        UnusableRoute::of(object, &why)
    }
}

fn in_rule(object: &Value, rule: &Rule<'_>, why: &Indivisible) -> UnusableRoute {
    UnusableRoute::of(object, &format!("in {}, {why}", rule.place))
}
