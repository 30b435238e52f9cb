//! Windows and frozen days: when a version may start, and when a stage may be left. Only going on waits for them.

use jiff::Timestamp;
use tidegate_api::{RevisionStatus, Schedule, Span, Stage, Window};

use crate::{
    calendar::Calendar,
    plan::{Planner, outcome::Outcome},
};

/// What waits for a window.
#[derive(Clone, Copy)]
enum Step {
    Start,
    Advance,
}

/// How many times two schedules are held against each other for an opening that both have, before none is in sight.
const ROUNDS: usize = 1000;

/// Where no opening is in sight, it is looked for again after so long.
const LOOKED_FOR_AGAIN: Span = Span::seconds(30 * 24 * 3600);

impl Planner<'_> {
    /// Why `version` may not start now, if it may not. People are told which one it is, since they may approve of it.
    pub(super) fn start_waits(&mut self, version: &RevisionStatus) -> Option<String> {
        self.opening(Step::Start).map(|opening| format!("version {version} waits for the schedule: {opening}"))
    }

    /// What is decided about a stage that has passed, if the schedule does not let it be left now.
    pub(super) fn held_by_schedule(&mut self, stage: &Stage) -> Option<Outcome> {
        let opening = self.opening(Step::Advance)?;
        let message = format!("stage {} may be left and waits for the schedule: {opening}", stage.name);
        Some(Outcome::Wait(message))
    }

    /// When the next window for `step` opens, in a sentence, unless one is open; asks to be woken then.
    fn opening(&mut self, step: Step) -> Option<String> {
        let schedules: Vec<&Schedule> =
            self.rollout.spec.schedule.iter().chain(self.observed.cluster_schedule.as_deref()).collect();
        // A time zone that does not exist has been refused: what has passed stays where it is.
        let calendars: Vec<Calendar<'_>> = schedules.into_iter().filter_map(|it| Calendar::new(it).ok()).collect();
        let Some((at, decides)) = opens_at(&calendars, step, self.now) else {
            self.wake_after(self.now, LOOKED_FOR_AGAIN);
            let never = "no window opens within a year, by spec.schedule and the schedule of the cluster together";
            return Some(never.to_owned());
        };
        let calendar = decides?;
        self.wake_at(at);
        Some(format!("the next window opens on {}", calendar.told(at)))
    }
}

/// The first instant from `from` on at which all of them are open, and which of them opens then: none where all are open now.
fn opens_at<'a, 's>(
    calendars: &'a [Calendar<'s>],
    step: Step,
    from: Timestamp,
) -> Option<(Timestamp, Option<&'a Calendar<'s>>)> {
    let (mut at, mut decides) = (from, None);
    for _ in 0..ROUNDS {
        let before = at;
        for calendar in calendars {
            let opens = calendar.opens_at(windows(calendar.schedule(), step), at)?;
            if opens > at {
                (at, decides) = (opens, Some(calendar));
            }
        }
        if at == before {
            return Some((at, decides));
        }
    }
    None
}

fn windows(schedule: &Schedule, step: Step) -> &[Window] {
    match step {
        Step::Start => &schedule.start,
        Step::Advance => &schedule.advance,
    }
}
