//! One list of Services with weights, divided between two versions and put together again.
//!
//! All weights of a list are multiplied by the same number, so that every other Service keeps its exact share, and the number can
//! be read back from the weights: see [`scale`](crate::traffic::scale). In a divided list each weight is written. Whether the user
//! had left some out is told by the order of the two that stand for the Service: the canary's is first where they had.
//!
//! Where one of the two has everything, the other is not named, and weights stay as they are: Traefik drops a route altogether that
//! names a Service without ready pods, whatever its weight, unless it is told otherwise (`allowEmptyServices`).

use serde_json::Value;
use tidegate_api::Percent;

use super::{kinds::RouteKind, weights::with_weight};
use crate::traffic::{
    Names,
    scale::{MAX, Ratio, Weight, restored},
};

/// What an element is to the rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Service,
    Stable,
    Canary,
    Other,
}

/// Why a list cannot be divided: a clause that does not say where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Indivisible(pub(super) String);

/// How the lists of an object are read and written.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListEditor<'a> {
    pub(super) kind: &'static RouteKind,
    pub(super) names: &'a Names,
    /// The namespace of the Services and of the object.
    pub(super) namespace: &'a str,
}

impl ListEditor<'_> {
    /// What `element` is.
    pub(super) fn role(&self, element: &Value) -> Role {
        let named = (self.kind.service)(element).filter(|_| (self.kind.weighing.has_share)(element));
        let Some((name, namespace)) = named else { return Role::Other };
        if namespace.is_some_and(|namespace| namespace != self.namespace) {
            return Role::Other;
        }
        match name {
            name if name == self.names.service => Role::Service,
            name if name == self.names.stable => Role::Stable,
            name if name == self.names.canary => Role::Canary,
            _ => Role::Other,
        }
    }

    /// Whether an element of `list` has this role.
    pub(super) fn has(&self, list: &[Value], role: Role) -> bool {
        list.iter().any(|element| self.role(element) == role)
    }

    /// Whether a list is divided.
    pub(super) fn is_divided(&self, list: &[Value]) -> bool {
        self.has(list, Role::Stable) || self.has(list, Role::Canary)
    }

    /// Whether a list that nobody has divided can be.
    ///
    /// # Errors
    /// Why it cannot, whatever the share.
    pub(super) fn can_be_divided(&self, list: &[Value]) -> Result<(), Indivisible> {
        let mut ours = list.iter().filter(|element| self.role(element) == Role::Service);
        if let Some(why) = ours.find_map(|element| (self.kind.unusable)(element)) {
            return Err(Indivisible(why.to_owned()));
        }
        let has_none = self.kind.weighing.of(list).into_iter().flatten().sum::<i64>() == 0;
        if has_none { Err(Indivisible("no Service has any weight: give one of them some".to_owned())) } else { Ok(()) }
    }

    /// A list that nobody has divided, with the canary at `share`.
    ///
    /// # Errors
    /// Why its weights cannot say that.
    pub(super) fn divided(&self, list: &[Value], share: Percent) -> Result<Vec<Value>, Indivisible> {
        if share == Percent::ZERO {
            return Ok(self.with_service(list, Role::Service, &self.names.stable));
        }
        if share == Percent::FULL {
            return Ok(self.with_service(list, Role::Service, &self.names.canary));
        }
        let weights = self.kind.weighing.of(list);
        let mut ours = list.iter().zip(&weights).filter(|(element, _)| self.role(element) == Role::Service);
        // Without any weight on the Service its share leaves no trace to read the scale from.
        let ratio = if ours.any(|(_, weight)| *weight > Some(0)) { ratio(share)? } else { Ratio::NOTHING };
        let canary_first = self.kind.weighing.leaves_out(list);
        let mut divided = Vec::with_capacity(list.len() + 1);
        for (element, weight) in list.iter().zip(weights) {
            let Some(weight) = weight else {
                divided.push(element.clone());
                continue;
            };
            if weight * ratio.scale > MAX {
                return Err(too_large(weight, ratio.scale, share));
            }
            if self.role(element) != Role::Service {
                divided.push(with_weight(element.clone(), Some(weight * ratio.scale)));
                continue;
            }
            let (stable, canary) = ratio.divide(weight);
            let Names { stable: stable_name, canary: canary_name, .. } = self.names;
            let mut both = [self.renamed(element, stable_name, stable), self.renamed(element, canary_name, canary)];
            if canary_first {
                both.reverse();
            }
            divided.extend(both);
        }
        match self.kind.most {
            Some(most) if divided.len() > most => Err(full(most)),
            _ => Ok(divided),
        }
    }

    /// The list as its user wrote it; nothing if it is so. If somebody has changed its weights since, every element keeps the share
    /// that it now has.
    ///
    /// Stable and canary belong together if they differ in nothing but name and weight. One that stands alone becomes the Service by
    /// itself.
    pub(super) fn joined(&self, list: &[Value]) -> Option<Vec<Value>> {
        if !self.is_divided(list) {
            return None;
        }
        if !(self.has(list, Role::Stable) && self.has(list, Role::Canary)) {
            let only_stable = self.with_service(list, Role::Stable, &self.names.service);
            return Some(self.with_service(&only_stable, Role::Canary, &self.names.service));
        }
        let weights = self.kind.weighing.of(list);
        let numbered = |role: Role| list.iter().enumerate().filter(move |(_, it)| self.role(it) == role);
        let weight = |place: usize| weights.get(place).copied().flatten();
        let mut canaries: Vec<_> = numbered(Role::Canary).collect();
        let mut elements: Vec<(usize, &Value, Option<Weight>)> = Vec::with_capacity(list.len());
        let mut canary_first = false;
        for (place, stable) in numbered(Role::Stable) {
            let twin = canaries.iter().position(|(_, canary)| self.is_twin(stable, canary));
            let canary = twin.map(|twin| canaries.remove(twin).0);
            canary_first |= canary.is_some_and(|canary| canary < place);
            let of_canary = canary.and_then(weight).unwrap_or_default();
            elements.push((place, stable, weight(place).map(|stable| Weight::Divided(stable, of_canary))));
        }
        for (place, element) in list.iter().enumerate() {
            match self.role(element) {
                Role::Canary if canaries.iter().any(|(alone, _)| *alone == place) => {
                    elements.push((place, element, weight(place).map(|canary| Weight::Divided(0, canary))));
                }
                Role::Stable | Role::Canary => {}
                Role::Service | Role::Other => elements.push((place, element, weight(place).map(Weight::Undivided))),
            }
        }
        elements.sort_by_key(|(place, _, _)| *place);
        let mut weights =
            restored(&elements.iter().filter_map(|(_, _, weight)| *weight).collect::<Vec<_>>()).into_iter();
        let joined = elements.into_iter().map(|(_, element, divided)| match divided {
            Some(Weight::Divided(..)) => self.renamed(element, &self.names.service, weights.next().unwrap_or_default()),
            Some(Weight::Undivided(_)) => with_weight(element.clone(), weights.next()),
            None => element.clone(),
        });
        let joined: Vec<_> = joined.collect();
        Some(if canary_first { self.kind.weighing.left_out(joined) } else { joined })
    }

    /// The canary's part of the Service's share; nothing if the list gives it none.
    pub(super) fn canary_share(&self, list: &[Value]) -> Option<Percent> {
        let weights = self.kind.weighing.of(list);
        let of = |wanted: Role| -> i64 {
            let ours = list.iter().zip(&weights).filter(|(element, _)| self.role(element) == wanted);
            ours.filter_map(|(_, weight)| *weight).sum()
        };
        let canary = of(Role::Canary);
        let all = canary + of(Role::Stable) + of(Role::Service);
        (all > 0).then(|| Percent::new(canary as f64 * 100.0 / all as f64))
    }

    /// A list in which those of one role name another Service.
    fn with_service(&self, list: &[Value], role: Role, service: &str) -> Vec<Value> {
        let named = |element: &Value| {
            let mut element = element.clone();
            if self.role(&element) == role {
                (self.kind.rename)(&mut element, service);
            }
            element
        };
        list.iter().map(named).collect()
    }

    fn is_twin(&self, stable: &Value, canary: &Value) -> bool {
        let bare = |element: &Value| with_weight(self.renamed(element, &self.names.service, 0), None);
        bare(stable) == bare(canary)
    }

    fn renamed(&self, element: &Value, service: &str, weight: i64) -> Value {
        let mut renamed = element.clone();
        (self.kind.rename)(&mut renamed, service);
        with_weight(renamed, Some(weight))
    }
}

fn ratio(share: Percent) -> Result<Ratio, Indivisible> {
    let too_fine =
        || Indivisible(format!("it cannot carry a weight of {share}: use at most four decimals of a percent"));
    Ratio::of(share).ok_or_else(too_fine)
}

fn too_large(weight: i64, scale: i64, share: Percent) -> Indivisible {
    Indivisible(format!(
        "weight {weight} is too large to be split at {share}: times {scale} it would exceed {MAX}; divide all weights of the rule by the same number"
    ))
}

fn full(most: usize) -> Indivisible {
    Indivisible(format!("there is no room for another Service (a rule has at most {most}): remove one from it"))
}
