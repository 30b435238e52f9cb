mod lease_api;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{sync::oneshot, task::JoinHandle};

use self::lease_api::{Fault, LeaseApi};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn timing() -> Timing {
    Timing::new(15 * SECOND, 10 * SECOND, 2 * SECOND).unwrap()
}

fn settings(identity: &str) -> LeaseSettings {
    LeaseSettings {
        namespace: "tidegate".to_owned(),
        name: "tidegate".to_owned(),
        identity: identity.to_owned(),
        timing: timing(),
        clock: Clock::System,
    }
}

/// A candidate that runs until it is told to stop, behind a network that can be cut.
struct Running {
    leadership: Leadership,
    cut: Arc<AtomicBool>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(api: &LeaseApi, identity: &str) -> Self {
        let cut = Arc::new(AtomicBool::new(false));
        let lost = cut.clone();
        let client = api.client(move || Fault { lost: lost.load(Ordering::Relaxed), ..Fault::default() });
        let (candidate, leadership) = Candidate::new(client, settings(identity));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(candidate.run(async {
            stopped.await.ok();
        }));
        Self { leadership, cut, stop, task }
    }

    async fn leads(&mut self) {
        while !self.leadership.is_leader() {
            self.leadership.changed().await;
        }
    }

    async fn follows(&mut self) {
        while self.leadership.is_leader() {
            self.leadership.changed().await;
        }
    }

    async fn shut_down(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

fn spec(api: &LeaseApi) -> k8s_openapi::api::coordination::v1::LeaseSpec {
    api.lease().unwrap().spec.unwrap()
}

#[test]
fn timings_under_which_two_could_lead_are_refused() {
    let new = |lease, renew, retry| Timing::new(lease * SECOND, renew * SECOND, retry * SECOND);
    assert!(new(15, 10, 2).is_ok());
    assert_eq!(
        new(10, 10, 2).unwrap_err().to_string(),
        "the lease duration (10s) must be longer than the renew deadline (10s)"
    );
    assert!(matches!(new(15, 10, 6), Err(TimingError::Renew(..))));
    assert!(matches!(new(15, 10, 0), Err(TimingError::Retry)));
}

#[tokio::test(start_paused = true)]
async fn of_two_candidates_exactly_one_leads_and_stays() {
    let api = LeaseApi::default();
    let mut first = Running::start(&api, "first");
    first.leads().await;
    let second = Running::start(&api, "second");
    for _ in 0..600 {
        sleep(SECOND).await;
        assert!(first.leadership.is_leader());
        assert!(!second.leadership.is_leader());
    }
    assert_eq!((spec(&api).holder_identity.as_deref(), spec(&api).lease_transitions), (Some("first"), Some(0)));
    assert_eq!(spec(&api).lease_duration_seconds, Some(15));
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_stops_renewing_is_replaced_after_the_lease_duration_and_not_earlier() {
    let api = LeaseApi::default();
    let mut first = Running::start(&api, "first");
    first.leads().await;
    let mut second = Running::start(&api, "second");
    sleep(60 * SECOND).await;

    first.cut.store(true, Ordering::Relaxed);
    let cut = Instant::now();
    first.follows().await;
    assert!(cut.elapsed() <= 10 * SECOND, "leadership ends by the renew deadline: {:?}", cut.elapsed());
    second.leads().await;
    // The last renewal was up to one retry period before the cut, and is seen up to one look later.
    assert!(cut.elapsed() >= 13 * SECOND, "not before the lease ran out: {:?}", cut.elapsed());
    assert!(cut.elapsed() <= 18 * SECOND, "soon after the lease ran out: {:?}", cut.elapsed());
    assert_eq!(spec(&api).lease_transitions, Some(1));

    first.cut.store(false, Ordering::Relaxed);
    sleep(60 * SECOND).await;
    assert!(second.leadership.is_leader() && !first.leadership.is_leader());
}

#[tokio::test(start_paused = true)]
async fn shutting_down_hands_over_at_the_next_look() {
    let api = LeaseApi::default();
    let mut first = Running::start(&api, "first");
    first.leads().await;
    let mut second = Running::start(&api, "second");
    sleep(10 * SECOND).await;

    let leadership = first.leadership.clone();
    first.shut_down().await;
    assert!(!leadership.is_leader());
    assert_eq!(spec(&api).holder_identity, None);
    let released = Instant::now();
    second.leads().await;
    assert!(released.elapsed() < 3 * SECOND, "{:?}", released.elapsed());
    assert_eq!(spec(&api).lease_transitions, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_standby_that_shuts_down_leaves_the_lease_alone() {
    let api = LeaseApi::default();
    let mut first = Running::start(&api, "first");
    first.leads().await;
    let second = Running::start(&api, "second");
    sleep(10 * SECOND).await;
    second.shut_down().await;
    assert_eq!(spec(&api).holder_identity.as_deref(), Some("first"));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_means_trying_again_later() {
    let api = LeaseApi::default();
    let mut first = Running::start(&api, "first");
    first.leads().await;
    for _ in 0..20 {
        sleep(7 * SECOND).await;
        // Somebody labels the object: the leader's next write meets a version that it does not know.
        api.edit(|lease| {
            lease.as_mut().unwrap().metadata.labels.get_or_insert_default().insert("team".into(), "sre".into());
        });
        assert!(first.leadership.is_leader());
    }
    let lease = api.lease().unwrap();
    assert_eq!(lease.metadata.labels.unwrap().len(), 1);
    assert_eq!(lease.spec.unwrap().lease_transitions, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_lease_given_away_by_hand_ends_leadership_at_the_next_look() {
    let api = LeaseApi::default();
    let mut first = Running::start(&api, "first");
    first.leads().await;
    api.edit(|lease| {
        lease.as_mut().unwrap().spec.as_mut().unwrap().holder_identity = Some("somebody".to_owned());
    });
    let given = Instant::now();
    first.follows().await;
    assert!(given.elapsed() < 5 * SECOND, "{:?}", given.elapsed());
    first.leads().await;
    assert!(given.elapsed() >= 15 * SECOND, "{:?}", given.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_does_not_give_a_standby_the_lead_while_the_holder_lives() {
    let api = LeaseApi::default();
    let mut first = Running::start(&api, "first");
    first.leads().await;
    let second = Running::start(&api, "second");
    sleep(10 * SECOND).await;
    api.edit(|lease| *lease = None);
    for _ in 0..60 {
        sleep(SECOND).await;
        assert!(first.leadership.is_leader() && !second.leadership.is_leader());
    }
    assert_eq!(spec(&api).holder_identity.as_deref(), Some("first"));
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_hangs_ends_leadership_by_the_renew_deadline() {
    let api = LeaseApi::default();
    let mut only = Running::start(&api, "only");
    only.leads().await;
    sleep(7 * SECOND).await;
    only.cut.store(true, Ordering::Relaxed);
    let cut = Instant::now();
    only.follows().await;
    assert!(cut.elapsed() <= 10 * SECOND, "{:?}", cut.elapsed());
    only.cut.store(false, Ordering::Relaxed);
    only.leads().await;
}

#[tokio::test(start_paused = true)]
async fn shutting_down_is_not_held_up_by_an_api_server_that_hangs() {
    let api = LeaseApi::default();
    let mut only = Running::start(&api, "only");
    only.leads().await;
    only.cut.store(true, Ordering::Relaxed);
    let asked = Instant::now();
    only.shut_down().await;
    assert!(asked.elapsed() <= 5 * SECOND, "{:?}", asked.elapsed());
}

/// Runs `task` with pauses in which it is not polled at all, as a process that gets no CPU.
async fn with_pauses(task: impl Future<Output = ()>, mut random: StdRng) {
    let mut task = pin!(task);
    loop {
        let awake = Duration::from_millis(random.random_range(1..40_000));
        if timeout(awake, &mut task).await.is_ok() {
            return;
        }
        sleep(Duration::from_millis(random.random_range(0..30_000))).await;
    }
}

fn random_fault(random: &mut StdRng) -> Fault {
    Fault {
        before: Duration::from_millis(random.random_range(0..2_000)),
        after: Duration::from_millis(random.random_range(0..2_000)),
        lost: random.random_bool(0.1),
        unanswered: random.random_bool(0.1),
        refused: random.random_bool(0.1),
    }
}

/// A candidate that starts late, pauses, is badly connected, and shuts down at some time.
fn unlucky(api: &LeaseApi, seed: u64, index: u64) -> Leadership {
    let mut random = StdRng::seed_from_u64(seed * 100 + index);
    let faults = Arc::new(std::sync::Mutex::new(StdRng::seed_from_u64(random.random())));
    let client = api.client(move || random_fault(&mut faults.lock().unwrap()));
    let (candidate, leadership) = Candidate::new(client, settings(&format!("{index}")));
    let life = Duration::from_secs(random.random_range(60..600));
    let late = Duration::from_millis(random.random_range(0..5_000));
    tokio::spawn(async move {
        sleep(late).await;
        with_pauses(Box::pin(candidate.run(sleep(life))), random).await;
    });
    leadership
}

#[test]
fn never_do_two_lead_whatever_pauses_and_faults_there_are() {
    for seed in 0..60 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let led = runtime.block_on(async {
            let api = LeaseApi::default();
            let candidates: Vec<_> = (0..3).map(|index| unlucky(&api, seed, index)).collect();
            let mut led = 0;
            for _ in 0..3_000 {
                sleep(Duration::from_millis(200)).await;
                let leaders = candidates.iter().filter(|candidate| candidate.is_leader()).count();
                assert!(leaders <= 1, "two lead under seed {seed}");
                led += leaders;
            }
            led
        });
        assert!(led > 0, "nobody ever led under seed {seed}");
    }
}
