//! What may happen next.

use serde_json::json;
use tidegate_api::Verdict;

use super::super::{
    cluster::{Cluster, Controller, Gateway},
    lab::Lab,
};

/// One thing that may happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Move {
    /// The operator takes a look and does what it decides, then each controller of the cluster does one round; the
    /// clock goes to the next waking once nobody has anything to do.
    Round,
    /// The same, but the operator dies before so many of its writes are done, and is started anew.
    DieBefore(usize),
    /// A controller falls silent …
    Stop(Controller),
    /// … or the operator …
    StopOperator,
    /// … until it works again.
    Resume,
    /// Another operator, which takes itself for the leader, looks at the cluster …
    OtherLooks,
    /// … and acts on what it saw, whatever has happened since.
    OtherDecides,
    /// Time passes until the operator asked to be woken, though somebody still has something to do.
    Hurry,
    /// From now on the checks say this.
    Verdict(Verdict),
    /// From now on the gateway behaves like this.
    Gateway(Gateway),
    /// The pods of an image are not ready any more.
    Break(&'static str),
    /// `kubectl set image`.
    Push(&'static str),
    /// `spec.paused`.
    Pause(bool),
    /// `spec.replicas`.
    Scale(i32),
    /// Somebody writes into the route, with so many percent for the canary.
    WriteRoute(u8),
    /// `kubectl delete rollout`.
    Delete,
}

/// What needs no misfortune.
const USUAL: [Move; 3] = [Move::Round, Move::Resume, Move::OtherDecides];

/// Everything that may go wrong in the order of things, without anybody's doing.
pub const DELAYS: [Move; 10] = [
    Move::DieBefore(0),
    Move::DieBefore(1),
    Move::DieBefore(2),
    Move::DieBefore(3),
    Move::StopOperator,
    Move::Stop(Controller::Deployments),
    Move::Stop(Controller::ReplicaSets),
    Move::Stop(Controller::Endpoints),
    Move::Stop(Controller::Gateway),
    Move::Hurry,
];

/// A world at one moment.
#[derive(Clone)]
pub struct Moment {
    pub lab: Lab,
    /// What another operator saw when it last looked.
    pub seen_by_other: Option<Box<Cluster>>,
    /// Who does nothing: [`Move::Stop`] or [`Move::StopOperator`].
    pub stopped: Option<Move>,
    /// How many misfortunes may still come.
    pub left: u8,
}

impl Moment {
    /// The moves that may come, `misfortunes` among them while there are any left.
    pub fn moves(&self, misfortunes: &[Move]) -> Vec<Move> {
        let unusual = if self.left == 0 { &[] } else { misfortunes };
        USUAL.iter().chain(unusual).copied().collect()
    }

    /// The moment after `action`; nothing if it is not possible.
    pub fn after(&self, action: Move) -> Option<Self> {
        let left = if USUAL.contains(&action) { self.left } else { self.left.checked_sub(1)? };
        let mut next = Self { left, ..self.clone() };
        let lab = &mut next.lab;
        let alive = lab.cluster.rollout.is_some();
        match action {
            Move::Round => drop(next.round()),
            Move::DieBefore(write) => {
                lab.dies_at = Some(lab.writes + write);
                lab.decide();
                lab.dies_at.is_none().then_some(())?;
            }
            Move::Stop(_) | Move::StopOperator if next.stopped.is_none() => next.stopped = Some(action),
            Move::Resume => drop(next.stopped.take()?),
            Move::OtherLooks => next.seen_by_other = Some(Box::new(lab.cluster.clone())),
            Move::OtherDecides => lab.decide_on(&*next.seen_by_other.take()?),
            Move::Hurry => {
                let wake = lab.wake.filter(|wake| *wake > lab.cluster.now)?;
                lab.sleep_until(wake);
            }
            Move::Verdict(verdict) => drop(lab.verdicts.insert("errors".to_owned(), verdict)),
            Move::Gateway(gateway) => lab.cluster.gateway = gateway,
            Move::Break(image) => drop(lab.cluster.broken.insert(image.to_owned())),
            Move::Push(image) => lab.cluster.push(image),
            Move::Pause(paused) if alive => lab.cluster.edit(&json!({"paused": paused})),
            Move::Scale(replicas) if alive => lab.cluster.edit(&json!({"replicas": replicas})),
            Move::WriteRoute(canary) if lab.cluster.services.len() == 3 => lab.cluster.write_backends(&json!([
                {"name": "checkout-stable", "port": 80, "weight": 100 - canary},
                {"name": "checkout-canary", "port": 80, "weight": canary},
            ])),
            Move::Delete if alive => lab.cluster.delete(),
            _ => return None,
        }
        Some(next)
    }

    /// Everybody who works acts once; the clock moves when none of them has anything to do. Whether anything happened.
    pub fn round(&mut self) -> bool {
        let lab = &mut self.lab;
        let before = lab.cluster.clone();
        let wrote = self.stopped != Some(Move::StopOperator) && lab.decide();
        for controller in Controller::ALL {
            if self.stopped != Some(Move::Stop(controller)) {
                lab.cluster.run(controller);
            }
        }
        if wrote || lab.cluster.differs(&before) {
            return true;
        }
        let wake = lab.wake.filter(|wake| *wake > lab.cluster.now);
        if let Some(wake) = wake {
            lab.sleep_until(wake);
        }
        wake.is_some()
    }

    /// Nobody does anything any more, and everything works.
    pub fn calm(&mut self) {
        (self.left, self.seen_by_other, self.stopped) = (0, None, None);
        let lab = &mut self.lab;
        lab.cluster.broken.clear();
        lab.cluster.gateway = Gateway::Accepts;
        lab.verdicts.clear();
        if lab.cluster.rollout.as_ref().is_some_and(|rollout| rollout.spec.paused) {
            lab.cluster.edit(&json!({"paused": false}));
        }
    }
}
