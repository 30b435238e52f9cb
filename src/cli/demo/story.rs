//! The story: two applications, a good release and a bad one, told as it happens.

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use tidegate_api::{Phase, Rollout};
use tidegate_apiserver::{ApiServer, Change, Changes, Object};
use tidegate_clock::Clock;
use tidegate_sim::{
    cluster::{Cluster, ClusterSettings},
    metering::{Application, entrance},
    operator::{ENDPOINT, Operator},
    scenario::{Action, Event, Manifests, Release, STABLE, Scenario},
    traffic::{Exposed, Load},
};
use tokio::time::{Instant, MissedTickBehavior};

use super::{
    screen::Screen,
    timeline::{Line, Timeline, Tone},
};

/// The application whose release is good.
const GOOD: &str = "checkout";

/// The application whose release is bad.
const BAD: &str = "search";

/// The namespace that kubectl looks at unless told otherwise.
const NAMESPACE: &str = "default";

/// What all chance comes from: every demo tells the same story.
const SEED: u64 = 1;

/// How often the panel is drawn anew, in real time.
const REDRAW: Duration = Duration::from_millis(250);

/// How long the story may take, in simulated time, before something is wrong with it.
const PATIENCE: Duration = Duration::from_hours(2);

/// The story, and the cluster that it takes place in.
pub struct Story {
    cluster: Cluster,
    _operator: Operator,
    changes: Changes,
    timeline: Timeline,
    screen: Screen,
}

impl Story {
    /// Sets the scene: the cluster, the operator, and two applications as they were before they met Tidegate.
    pub fn begin(screen: Screen) -> anyhow::Result<Self> {
        // It runs ahead of real time, and must not overtake it: kubectl would show ages that are not valid.
        let yesterday = Timestamp::now() - SignedDuration::from_hours(24);
        let clock = Clock::starting_at(Timestamp::from_second(yesterday.as_second())?);
        let mut scenario = Scenario::parse(include_str!("story.yaml"), "story.yaml")?;
        scenario.start = clock.now();
        let cluster = Cluster::start(clock, ClusterSettings { seed: SEED, ..ClusterSettings::default() });
        let mut manifests = Manifests::default();
        manifests.add(include_str!("shop.yaml"), "shop.yaml")?;
        for rollout in manifests.rollouts()? {
            let application = application(&rollout, &scenario);
            cluster.applications.with(|applications| applications.push(application));
        }
        let changes = cluster.api.changes();
        for manifest in manifests.objects {
            cluster.apply(manifest.object)?;
        }
        let operator = cluster.operator(ENDPOINT, cluster.prometheus.clone(), None);
        let timeline = Timeline::new(clock.now());
        tokio::spawn(release(cluster.api.clone(), scenario.events));
        Ok(Self { cluster, _operator: operator, changes, timeline, screen })
    }

    /// The API server of the cluster.
    pub fn api(&self) -> ApiServer {
        self.cluster.api.clone()
    }

    /// Says what is to be seen, and how to look at it in a browser and with kubectl.
    pub fn greet(&mut self, kubeconfig: &Path, dashboard: &str, speed: f64) -> anyhow::Result<()> {
        let kubectl = format!("kubectl --kubeconfig {}", kubeconfig.display());
        let text = format!(
            "A cluster of its own, with the real operator in it, {speed} times as fast as life. Ctrl-C ends it.\n\n    \
             {dashboard}\n    \
             {kubectl} get rollouts -w\n\n\
             {GOOD} gets a good release and {BAD} a bad one. The bar is the new version's share of the traffic.\n"
        );
        self.show(&plain(&text))
    }

    /// Tells what happens until both releases have come to their end, and answers whether it was the right one.
    pub async fn tell(&mut self, speed: f64) -> anyhow::Result<bool> {
        let ended = tokio::time::timeout(PATIENCE, self.follow(speed, true)).await;
        let Ok(ended) = ended else {
            self.show(&[Line {
                tone: Tone::Bad,
                text: "The releases have not come to an end in two hours.".to_owned(),
            }])?;
            return Ok(false);
        };
        ended?;
        let as_expected = self.end(GOOD) == Some(Phase::Stable) && self.end(BAD) == Some(Phase::Reverted);
        let (tone, text) = if as_expected {
            (
                Tone::Good,
                format!("\nThe good release of {GOOD} was promoted, and the bad one of {BAD} turned back by itself."),
            )
        } else {
            (Tone::Bad, "\nThat is not how it should have ended.".to_owned())
        };
        self.show(&[Line { tone, text }])?;
        Ok(as_expected)
    }

    /// Tells what people do to the cluster with kubectl from now on. It never ends by itself.
    pub async fn go_on(&mut self, kubeconfig: &Path, speed: f64) -> anyhow::Result<ExitCode> {
        let text = format!(
            "The cluster stays until Ctrl-C. To release something yourself:\n\n    \
             kubectl --kubeconfig {} set image deployment/{GOOD} {GOOD}=shop/{GOOD}:v3\n",
            kubeconfig.display()
        );
        self.show(&plain(&text))?;
        self.follow(speed, false).await?;
        Ok(ExitCode::SUCCESS)
    }

    /// Tells what happens; until both releases have come to their end, if that is waited for.
    async fn follow(&mut self, speed: f64, to_the_end: bool) -> anyhow::Result<()> {
        let mut redraw = tokio::time::interval(REDRAW.mul_f64(speed));
        redraw.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let mut lines = Vec::new();
            let now = self.cluster.clock.now();
            for change in self.changes.drain() {
                match change.resource.kind.as_str() {
                    "Rollout" => {
                        let rollout = change.object.parse::<Rollout>();
                        lines.extend(rollout.iter().flat_map(|rollout| self.timeline.observe(now, rollout)));
                    }
                    "Deployment" => {
                        lines.extend(released(&change).map(|text| self.timeline.say(now, change.object.name(), &text)));
                    }
                    _ => {}
                }
            }
            self.show(&lines)?;
            if to_the_end && [GOOD, BAD].iter().all(|name| self.end(name).is_some()) {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = self.changes.ready() => {}
                _ = redraw.tick() => {}
            }
        }
    }

    /// How the release of an application ended, if it has.
    fn end(&self, name: &str) -> Option<Phase> {
        let rollout: Rollout = self.cluster.api.get("rollouts", NAMESPACE, name)?.parse()?;
        let status = rollout.status?;
        let promoted = status.phase == Phase::Stable && status.stable.is_some_and(|stable| is_release(&stable.images));
        (promoted || status.phase == Phase::Reverted).then_some(status.phase)
    }

    fn show(&mut self, lines: &[Line]) -> anyhow::Result<()> {
        let rollouts = self.cluster.api.list("rollouts", Some(NAMESPACE));
        let rollouts = rollouts.iter().filter_map(|rollout| rollout.parse::<Rollout>());
        let mut panel = vec![String::new(), self.timeline.time(self.cluster.clock.now())];
        panel.extend(rollouts.map(|rollout| Timeline::summary(&rollout)));
        self.screen.show(lines, panel).context("the timeline cannot be written")
    }
}

fn plain(text: &str) -> Vec<Line> {
    text.lines().map(|text| Line { tone: Tone::Plain, text: text.to_owned() }).collect()
}

/// An application and its clients: which of its images behaves how is in the scenario.
fn application(rollout: &Rollout, scenario: &Scenario) -> Application {
    let (spec, name) = (&rollout.spec, rollout.metadata.name.as_deref().unwrap_or_default());
    let load = Load::new(scenario, NAMESPACE, Exposed::new(spec, &scenario.traffic), SEED);
    let mut application = Application::new(NAMESPACE, entrance(spec), &spec.service, load);
    application.versions.insert(format!("shop/{name}:v1"), STABLE.to_owned());
    for event in &scenario.events {
        if let Action::Release(Release { image, version: Some(version), .. }) = &event.action {
            application.versions.insert(image.clone(), version.clone());
        }
    }
    application
}

/// Plays the people who release new versions.
async fn release(api: ApiServer, events: Vec<Event>) {
    let begun = Instant::now();
    for event in events {
        let Action::Release(Release { image, rollout: Some(name), .. }) = event.action else { continue };
        tokio::time::sleep_until(begun + event.at.duration()).await;
        // Somebody may have deleted it in the meantime; then there is nothing to release.
        let Some(deployment) = api.get("deployments", NAMESPACE, &name) else { continue };
        let mut object = deployment.value().clone();
        if let Some(place) = object.pointer_mut("/spec/template/spec/containers/0/image") {
            *place = image.into();
            if let Err(refusal) = api.update(object, "kubectl-set") {
                tracing::warn!(%refusal, "{name} is not released");
            }
        }
    }
}

/// What somebody has released with this change of a Deployment, if anything.
fn released(change: &Change) -> Option<String> {
    let image = |object: &Object| object.value().pointer("/spec/template/spec/containers/0/image").cloned();
    let (before, after) = (image(change.before.as_ref()?)?, image(&change.object)?);
    (before != after).then(|| format!("somebody releases {}", after.as_str().unwrap_or_default()))
}

/// Whether it is the new version.
fn is_release(images: &[String]) -> bool {
    images.iter().any(|image| !image.ends_with(":v1"))
}
