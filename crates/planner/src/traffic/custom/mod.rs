//! Any other object: the user says which places in it follow the weights.
//!
//! Between rollouts each place has the value for stable's weight at the total and both Services the Rollout's own, which
//! is how the user writes the object. So nothing of it has to be remembered, here either.

mod accepted;
mod path;
mod template;

use std::sync::Arc;

use serde_json::Value;
use tidegate_api::{CustomRoute, Percent, Setting};

pub use self::accepted::Expression;
use self::{
    path::Path,
    template::{Template, Values},
};
use super::{Acceptance, Names, Router, Split, UnusableRoute};

/// What is wrong with a setting, or with the object for it: a sentence that does not name the object yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misfit(String);

/// The revisions of a rollout, by their hashes; the same one twice where there is no other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revisions<'a> {
    /// The one that serves.
    pub stable: &'a str,
    /// The new one.
    pub canary: &'a str,
}

/// An object with places that follow the weights.
#[derive(Debug, Clone, Copy)]
pub struct CustomRouter<'a> {
    /// Which places, and how.
    pub route: &'a CustomRoute,
    /// What the Services are called.
    pub names: &'a Names,
    /// What the revisions are called.
    pub revisions: Revisions<'a>,
    /// [`CustomRoute::accepted`], where somebody has it compiled.
    pub accepted: Option<&'a Arc<Expression>>,
}

impl Router for CustomRouter<'_> {
    type Object = Value;

    fn can_split(&self, object: &Value, splits: &[Split<'_>]) -> Result<(), UnusableRoute> {
        self.accepted()
            .map_or(Ok(()), |accepted| accepted.compiles())
            .map_err(|why| UnusableRoute::of(object, &why))?;
        splits.iter().try_for_each(|split| self.split(object, *split).map(drop))
    }

    fn split(&self, object: &Value, split: Split<'_>) -> Result<Value, UnusableRoute> {
        if !split.is_plain() {
            let why = "its settings say weights only: leave out match and mirror of the stages, and sessionPersistence";
            return Err(UnusableRoute::of(object, &why));
        }
        let weight = split.weight;
        let values = self.at(weight).ok_or_else(|| self.too_fine(object, weight))?;
        let (changed, missed) = self.with(object, &values);
        // On the way back, what can be set is set, whatever somebody has taken away beside it.
        if weight == Percent::ZERO { Ok(changed) } else { missed.map_or(Ok(changed), Err) }
    }

    fn is_split(&self, object: &Value, split: Split<'_>) -> bool {
        split.is_plain() && self.at(split.weight).is_some_and(|values| self.says(object, &values))
    }

    fn unsplit(&self, object: &Value) -> Value {
        self.with(object, &self.at_rest()).0
    }

    fn is_whole(&self, object: &Value) -> bool {
        self.says(object, &self.at_rest())
    }

    fn can_restore(&self, object: &Value) -> Result<(), UnusableRoute> {
        for setting in &self.route.set {
            let template = Template::parse(setting).map_err(|why| UnusableRoute::of(object, &why))?;
            // Nothing is known beforehand of a place that speaks of revisions.
            let Some(wanted) = template.fill(&self.at_rest()) else { continue };
            let path = Path::parse(&setting.path).map_err(|why| UnusableRoute::of(object, &why))?;
            let found = path.get(object);
            if found != Some(&wanted) {
                let found = found.map_or_else(|| "missing".to_owned(), Value::to_string);
                let why =
                    format!("{} is {found}, but between rollouts it has to be {wanted}: write that", setting.path);
                return Err(UnusableRoute::of(object, &why));
            }
        }
        Ok(())
    }

    /// Of the total, as the first place that has the canary's weight alone tells.
    fn canary_share(&self, object: &Value) -> Option<Percent> {
        let lone = |setting: &&Setting| Template::parse(setting).is_ok_and(|template| template.is_canary_weight());
        let setting = self.route.set.iter().find(lone)?;
        let found = Path::parse(&setting.path).ok()?.get(object)?.clone();
        let weight = found.as_f64().or_else(|| found.as_str()?.parse().ok())?;
        Some(Percent::new(weight * 100.0 / self.route.total() as f64))
    }

    fn acceptance(&self, object: &Value) -> Acceptance {
        self.accepted().map_or(Acceptance::Accepted, |accepted| accepted.ask(object))
    }
}

impl<'a> CustomRouter<'a> {
    /// The expression that says that the object is in force, if there is one.
    fn accepted(&self) -> Option<Arc<Expression>> {
        let text = self.route.accepted.as_deref()?;
        let compiled = self.accepted.filter(|compiled| compiled.says(text));
        Some(compiled.map_or_else(|| Arc::new(Expression::new(text)), Arc::clone))
    }

    /// What the templates stand for with the canary at `weight`; nothing if the total is too small to say that.
    fn at(&self, weight: Percent) -> Option<Values<'a>> {
        let total = self.route.total();
        let parts = weight.fraction() * total as f64;
        let canary = parts.round();
        // 12.5 % is 125 of 1000 only to within the last bits of a float.
        ((parts - canary).abs() < 1e-6).then(|| {
            #[expect(clippy::cast_possible_truncation, reason = "rounded, and at most the total")]
            let canary = canary as i64;
            let Revisions { stable, canary: new } = self.revisions;
            let services = [self.names.stable.as_str(), self.names.canary.as_str()];
            Values { weights: [total - canary, canary], services, revisions: Some([stable, new]) }
        })
    }

    /// What they stand for between rollouts. Which revision serves then is left as the last rollout wrote it: nothing is
    /// written while none is under way.
    fn at_rest(&self) -> Values<'a> {
        let (total, service) = (self.route.total(), self.names.service.as_str());
        Values { weights: [total, 0], services: [service, service], revisions: None }
    }

    /// The object with everything set that can be, and why something could not.
    fn with(&self, object: &Value, values: &Values<'_>) -> (Value, Option<UnusableRoute>) {
        let mut changed = object.clone();
        let mut missed = None;
        for setting in &self.route.set {
            let set = Template::parse(setting).and_then(|template| match template.fill(values) {
                Some(value) => Path::parse(&setting.path)?.set(&mut changed, value),
                None => Ok(()),
            });
            missed = missed.or(set.err());
        }
        (changed, missed.map(|why| UnusableRoute::of(object, &why)))
    }

    fn says(&self, object: &Value, values: &Values<'_>) -> bool {
        let (wanted, missed) = self.with(object, values);
        missed.is_none() && wanted == *object
    }

    fn too_fine(&self, object: &Value, weight: Percent) -> UnusableRoute {
        let why = format!(
            "it cannot carry a weight of {weight}, since its two weights come to {}: let them come to ten times as much, or more, with total",
            self.route.total()
        );
        UnusableRoute::of(object, &why)
    }
}
