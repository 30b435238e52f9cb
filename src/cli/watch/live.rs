//! The terminal: draws what changes, and does what keys ask for.

use std::{io, pin::pin, thread, time::Duration};

use anyhow::{Context, bail};
use futures::{
    FutureExt, Stream, StreamExt,
    future::{BoxFuture, OptionFuture},
};
use jiff::Timestamp;
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEvent},
};
use tidegate_api::Causes;
use tidegate_dashboard::pods::{Version, versions};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time,
};

use super::{
    Change,
    keys::{Pressed, Question, Wanted, pressed},
    pods, screen,
    seen::Seen,
    trend::Trends,
};
use crate::cli::{approve, cluster_clock::ClusterClock, command, shutdown, target::Reached};

/// So often the clocks on the screen go on.
const TICK: Duration = Duration::from_millis(500);

/// Between two drawings at least: a cluster may change faster than anybody reads.
const FRAME: Duration = Duration::from_millis(50);

/// For so long the thread that reads keys does not look whether it is still wanted.
const POLL: Duration = Duration::from_millis(200);

/// What is on the screen.
#[derive(Debug)]
pub struct View {
    /// The namespace of the Rollout.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// As it was seen last.
    pub seen: Seen,
    /// How the checks went.
    pub trends: Trends,
    /// The pods of its versions.
    pub pods: pods::Found,
    /// Since when the cluster does not answer, and what it is.
    pub trouble: Option<(Timestamp, String)>,
    /// What somebody has to say yes to.
    pub question: Option<Question>,
    /// What came of the last answer.
    pub said: Option<String>,
    /// How many lines are above the screen.
    pub scroll: u16,
    /// Whether there are colours.
    pub coloured: bool,
}

impl View {
    /// Of a Rollout as it was first seen.
    pub fn new((namespace, name): (&str, &str), seen: Seen, coloured: bool) -> Self {
        let mut trends = Trends::default();
        trends.take(seen.checks());
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            seen,
            trends,
            pods: Ok(Vec::new()),
            trouble: None,
            question: None,
            said: None,
            scroll: 0,
            coloured,
        }
    }

    /// Takes what is there now.
    pub fn see(&mut self, seen: Seen) {
        self.trends.take(seen.checks());
        self.trouble = None;
        self.seen = seen;
    }

    /// The versions whose pods are to be shown.
    fn versions(&self) -> Vec<Version> {
        if let Seen::Known(rollout) = &self.seen { versions(rollout) } else { Vec::new() }
    }

    /// Takes a key; returns what is to be done by it, and nothing where it ends.
    pub fn press(&mut self, key: KeyEvent) -> Option<Pressed> {
        let rollout = if let Seen::Known(rollout) = &self.seen { Some(&**rollout) } else { None };
        let pressed = pressed(key, self.question.as_ref(), rollout);
        match &pressed {
            Pressed::Quit => return None,
            Pressed::Scroll(lines) => self.scroll = self.scroll.saturating_add_signed(*lines),
            Pressed::Ask(question) => (self.question, self.said) = (Some(question.clone()), None),
            Pressed::InVain(why) => self.said = Some(why.clone()),
            Pressed::Yes(_) => self.question = None,
            Pressed::No => (self.question, self.said) = (None, Some("nothing was done".to_owned())),
            Pressed::Nothing => {}
        }
        Some(pressed)
    }
}

/// Draws until somebody ends it, or the Rollout is gone; the terminal is left as it was found.
pub async fn follow(reached: &Reached, name: &str, changes: impl Stream<Item = Change>) -> anyhow::Result<()> {
    let mut changes = std::pin::pin!(changes);
    let Some(Change::Seen(first)) = changes.next().await else { bail!("Rollout {name} is gone") };
    // <https://no-color.org>
    let coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut view = View::new((&reached.namespace, name), *first, coloured);
    let mut terminal = ratatui::try_init().context("the terminal cannot be used; try --lines")?;
    let ended = drawn(&mut terminal, &mut view, reached, changes).await;
    ratatui::restore();
    ended
}

async fn drawn(
    terminal: &mut DefaultTerminal,
    view: &mut View,
    reached: &Reached,
    mut changes: impl Stream<Item = Change> + Unpin,
) -> anyhow::Result<()> {
    let mut events = terminal_events();
    let clock = ClusterClock::follow(reached.client.clone());
    let (shown, wanted) = watch::channel(view.versions());
    let mut pods = pin!(pods::followed(reached.client.clone(), &reached.namespace, wanted));
    let mut tick = time::interval(TICK);
    let mut ended = pin!(ended()?);
    // What somebody said yes to, until the cluster has answered: keys are read meanwhile.
    let mut under_way: Option<BoxFuture<'_, String>> = None;
    loop {
        let mut hidden = 0;
        terminal.draw(|frame| hidden = screen::draw(frame, view, clock.now()))?;
        view.scroll = view.scroll.min(hidden);
        tokio::select! {
            () = &mut ended => return Ok(()),
            Some(said) = OptionFuture::from(under_way.as_mut()) => (view.said, under_way) = (Some(said), None),
            Some(change) = changes.next() => {
                take(view, change, clock.now())?;
                time::sleep(FRAME).await;
                while let Some(Some(change)) = changes.next().now_or_never() {
                    take(view, change, clock.now())?;
                }
                shown.send_if_modified(|known| {
                    let versions = view.versions();
                    let is_other = *known != versions;
                    *known = versions;
                    is_other
                });
            }
            Some(found) = pods.next() => view.pods = found,
            event = events.recv() => match event {
                Some(Ok(Event::Key(key))) => match view.press(key) {
                    None => return Ok(()),
                    Some(Pressed::Yes(question)) => {
                        view.said = Some("the cluster is asked to do it".to_owned());
                        under_way = Some(done(reached, view.name.clone(), question).boxed());
                    }
                    Some(_) => {}
                },
                // Of another size, for one.
                Some(Ok(_)) => {}
                Some(Err(fault)) => return Err(fault).context("the terminal tells no keys any more"),
                None => return Ok(()),
            },
            _ = tick.tick() => {}
        }
    }
}

fn take(view: &mut View, change: Change, now: Timestamp) -> anyhow::Result<()> {
    match change {
        Change::Seen(seen) => view.see(*seen),
        Change::Gone => bail!("Rollout {} is gone", view.name),
        Change::Unreachable(why) => match &mut view.trouble {
            Some((_, known)) => *known = why,
            trouble => *trouble = Some((now, why)),
        },
    }
    Ok(())
}

/// Does what somebody said yes to, and says what came of it.
async fn done(reached: &Reached, name: String, Question { wanted, meant, .. }: Question) -> String {
    let meant = meant.as_deref();
    let said = match &wanted {
        Wanted::Approve(gate) => approve::written_to(reached, &name, (Some(gate), meant), false).await,
        Wanted::Verb(verb) => command::written_to(reached, &name, verb, meant).await,
    };
    said.unwrap_or_else(|error| Causes(&*error).to_string())
}

/// Completes when the process is asked to end, or its terminal is closed: that is left as it was found, then, too.
fn ended() -> anyhow::Result<impl Future<Output = ()>> {
    let mut hung_up = signal(SignalKind::hangup()).context("SIGHUP cannot be listened for")?;
    let requested = shutdown::requested()?;
    Ok(async move {
        tokio::select! {
            () = requested => {}
            _ = hung_up.recv() => {}
        }
    })
}

/// What the terminal tells, read by a thread of its own: to wait for a key blocks.
fn terminal_events() -> mpsc::UnboundedReceiver<io::Result<Event>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    thread::spawn(move || {
        while !sender.is_closed() {
            let told = match event::poll(POLL) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(fault) => Err(fault),
            };
            let is_over = told.is_err();
            if sender.send(told).is_err() || is_over {
                return;
            }
        }
    });
    receiver
}
