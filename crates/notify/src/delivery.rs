//! Sends what waits: one task for each receiver, so that none waits for another.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};

use super::{desk::Desk, queue::Next, way::Way};

/// So often it is looked for what is to be given up.
const LOOK: Duration = Duration::from_mins(1);

/// Sends for as long as it is there: dropping it ends all tasks.
#[derive(Debug)]
pub struct Delivery(JoinSet<()>);

impl Delivery {
    /// Sends what `desk` has over `ways`, which are in the order of its receivers.
    #[must_use]
    pub fn start(desk: &Arc<Desk>, ways: &Arc<Vec<Way>>) -> Self {
        let mut tasks = JoinSet::new();
        for place in 0..ways.len() {
            tasks.spawn(deliver(desk.clone(), ways.clone(), place));
        }
        Self(tasks)
    }

    /// How many receivers are served.
    #[must_use]
    pub fn receivers(&self) -> usize {
        self.0.len()
    }
}

async fn deliver(desk: Arc<Desk>, ways: Arc<Vec<Way>>, place: usize) {
    let Some(way) = ways.get(place) else { return };
    loop {
        let until = match desk.next(place) {
            Next::Send(notice) => {
                let outcome = way.tell(&notice, desk.now()).await;
                desk.tried(place, &notice, &outcome);
                continue;
            }
            Next::Wait(until) => until,
            Next::Rest => Instant::now() + LOOK,
        };
        tokio::select! {
            () = desk.rung(place) => {}
            () = tokio::time::sleep_until(until.min(Instant::now() + LOOK)) => {}
        }
    }
}
