//! The share of the requests that was really served, beside the one that was written.
//!
//! Another one is nobody's verdict on the version: evidence is only slower to come by, or more users meet it than were meant
//! to. So it is told, and at most it holds the stage; it reverts nothing.

use tidegate_api::{OnShareOff, Percent, Phase, Span, Stage, condition::reason};
use tidegate_judge::{Divided, Off, count, percent};

use crate::{
    plan::{Planner, Refusal, after, capacity, in_seconds, outcome::Outcome, split},
    traffic::past_the_weights,
};

/// For so long the share has to be off before it is told.
const TOLD: Span = Span::seconds(120);

/// A gateway that knows no weights gives each of the two Services as much.
const EVEN: f64 = 0.5;

impl Planner<'_> {
    /// Takes in how requests were divided.
    pub(super) fn measure_share(&mut self) {
        let (promised, Some(divided)) = (self.promised(), self.divided) else { return };
        let served = promised.map(|_| divided.served);
        let off = promised.and_then(|promised| divided.served.off(promised));
        self.status.measure(served, off.is_some(), self.now);
        if let Some(since) = self.status.stage.as_ref().and_then(|stage| stage.weight_off_since) {
            self.wake_after(since, TOLD);
        }
    }

    /// The warning that the share is not the stage's, if it is not for long enough. It is told once, with the numbers of
    /// that moment.
    pub(super) fn warn_of_share(&mut self) -> Option<String> {
        let since = self.off_since()?;
        if self.now < after(since, TOLD) {
            return None;
        }
        if let Some(said) = self.said(reason::SHARE_OFF) {
            return Some(said);
        }
        let warning = self.share_off()?;
        Some(self.tell(reason::SHARE_OFF, warning))
    }

    /// What is decided instead of leaving a stage whose share is off, where the Rollout asks for that.
    pub(super) fn held_by_share(&mut self, stage: &Stage) -> Option<Outcome> {
        let asked = self.rollout.spec.traffic.as_ref().and_then(|traffic| traffic.on_share_off);
        let since = self.off_since().filter(|_| asked == Some(OnShareOff::Hold))?;
        self.wake_after(since, TOLD);
        if !self.has_elapsed(since, TOLD) {
            let until = in_seconds(after(since, TOLD));
            let message = format!(
                "stage {}: its share of the requests is not the weight; held if that is still so at {until}",
                stage.name
            );
            return Some(Outcome::Wait(message));
        }
        let sentence = self.share_off().or_else(|| self.said(reason::SHARE_OFF))?;
        Some(Outcome::Hold(Refusal::new(reason::SHARE_OFF, format!("{sentence}; held as onShareOff says"))))
    }

    fn off_since(&self) -> Option<jiff::Timestamp> {
        let under_way = matches!(self.status.phase, Phase::Progressing | Phase::Held);
        self.status.stage.as_ref().filter(|_| under_way)?.weight_off_since
    }

    /// The part of all requests that the routes promise the new version; nothing where they promise none: where they lead
    /// by other things than a weight, or the weight is drawn for something else than a request.
    fn promised(&self) -> Option<f64> {
        let stage = self.status.stage.as_ref()?;
        let traffic = self.rollout.spec.traffic.as_ref()?;
        let is_plain = stage.matches.is_empty() && stage.mirror.is_none();
        let is_in_force = stage.since.is_some() && stage.disturbance.is_none() && stage.weight > Percent::ZERO;
        if !is_plain || !is_in_force || traffic.promises_no_share().is_some() {
            return None;
        }
        // As it stands in the routes: not each can say every weight.
        let written = split::written(self.rollout, self.observed)?;
        (written.to_string() == stage.weight_in_force.to_string()).then(|| written.fraction())
    }

    /// What is off, and what may be the cause: a sentence.
    fn share_off(&self) -> Option<String> {
        let (divided, promised) = self.divided.zip(self.promised())?;
        let stage = self.status.stage.as_ref()?;
        let served = divided.served;
        let off = served.off(promised)?;
        Some(format!(
            "in stage {} the new version is given {} of {} requests ({} to {}, with a certainty of 99.9%), and not {}; \
             likely causes: {}",
            stage.name,
            percent(served.share),
            count(served.requests),
            percent(served.low),
            percent(served.high),
            stage.weight_in_force,
            self.causes(divided, promised, off).join("; ")
        ))
    }

    /// What may have moved the share to that side, what fits best first.
    fn causes(&self, divided: Divided, promised: f64, off: Off) -> Vec<String> {
        let by_pods = capacity::share_of_pods(self.rollout, &self.status, self.observed).fraction();
        let moves = |share: f64| if off == Off::TooMuch { share > promised } else { share < promised };
        let is_counted_by_pods = !divided.is_by_gateway;
        let mut causes = Vec::new();
        let mut may_be = |is_likely: bool, cause: &str| {
            if is_likely {
                causes.push(cause.to_owned());
            }
        };
        may_be(divided.served.may_be(EVEN) && moves(EVEN), "a gateway that does not heed weights: it divides evenly");
        may_be(moves(by_pods), &self.past_the_split());
        may_be(
            moves(by_pods) && is_counted_by_pods,
            "probes or scrapes that the pods count as requests: leave their paths out of the check's selector",
        );
        match off {
            Off::TooLittle => {
                may_be(
                    promised < EVEN,
                    "a gateway that begins its round robin anew whenever its configuration changes, as Traefik does: the \
                     smaller share starves",
                );
                may_be(
                    is_counted_by_pods,
                    "a path that the new version does not serve any more: many libraries do not count a 404 for one that \
                     they do not know",
                );
                may_be(
                    true,
                    "long connections or sticky clients from before the stage, which stay with the stable version",
                );
            }
            Off::TooMuch => may_be(true, "a few clients with long connections or many requests each"),
        }
        may_be(true, "metrics that do not count the same requests for both versions");
        causes
    }

    fn past_the_split(&self) -> String {
        let service = &self.rollout.spec.service;
        let routes = self.observed.bypassing_routes.as_deref().unwrap_or_default();
        past_the_weights(routes, service).unwrap_or_else(|| {
            format!("clients or routes that reach Service {service} past the split, by the number of pods")
        })
    }
}
