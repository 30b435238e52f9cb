//! What changes while a scenario lasts.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};

use super::Length;

/// What holds from some instant on, until the next step.
pub trait Step: DeserializeOwned {
    /// What may be written instead of a whole step that holds from the beginning on.
    type Short: DeserializeOwned;

    /// The step that is written so.
    fn brief(short: Self::Short) -> Self;

    /// From when on it holds, counted from the scenario's start.
    fn from(&self) -> Length;
}

/// Steps, one after the other. Written as a list, as one step, or, in brief, as that which the step is about:
/// `[{from: 0s, rate: 1%}, {from: 2h, rate: 4%}]`, `{rate: 1%}`, `1%`.
#[derive(Debug, Clone, PartialEq)]
pub struct OverTime<S> {
    steps: Vec<S>,
}

impl<S: Step> OverTime<S> {
    /// The same from beginning to end.
    #[must_use]
    pub fn always(step: S) -> Self {
        Self { steps: vec![step] }
    }

    /// What holds at `offset` seconds after the start; before the first step that is the first one.
    #[must_use]
    pub fn at(&self, offset: f64) -> Option<&S> {
        let later = self.steps.partition_point(|step| step.from().as_seconds() <= offset);
        self.steps.get(later.saturating_sub(1))
    }

    /// All of them, in order of time.
    pub fn steps(&self) -> impl Iterator<Item = &S> {
        self.steps.iter()
    }

    /// The instants at which something changes.
    pub fn changes(&self) -> impl Iterator<Item = Length> {
        self.steps.iter().skip(1).map(Step::from)
    }
}

impl<'de, S: Step> Deserialize<'de> for OverTime<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let steps = deserializer.deserialize_any(StepsVisitor::<S>(PhantomData))?;
        let mut pairs = steps.iter().zip(steps.iter().skip(1));
        if let Some((_, late)) = pairs.find(|(early, late)| early.from() >= late.from()) {
            let why = format!("a step from {} stands behind one that is not earlier", late.from());
            return Err(D::Error::custom(why));
        }
        if steps.is_empty() {
            return Err(D::Error::custom("at least one step is needed"));
        }
        Ok(Self { steps })
    }
}

struct StepsVisitor<S>(PhantomData<S>);

impl<S: Step> StepsVisitor<S> {
    fn brief<'de, E: Error>(short: impl IntoDeserializer<'de, E>) -> Result<Vec<S>, E> {
        Ok(vec![S::brief(S::Short::deserialize(short.into_deserializer())?)])
    }
}

impl<'de, S: Step> Visitor<'de> for StepsVisitor<S> {
    type Value = Vec<S>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, or a list of steps that each begin with `from`")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Vec<S>, E> {
        Self::brief(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Vec<S>, E> {
        Self::brief(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Vec<S>, E> {
        Self::brief(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Vec<S>, E> {
        Self::brief(value)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<S>, A::Error> {
        Ok(vec![S::deserialize(MapAccessDeserializer::new(map))?])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<S>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list))
    }
}
