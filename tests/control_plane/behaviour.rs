//! Behaviours, and the stage on which they are performed.

use std::{
    env, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use libtest_mimic::{Completion, Failed, Trial};
use tidegate_testkit::{Result, assets::Assets, control_plane::Kind, world::World};
use tokio::{
    runtime::{Builder, Runtime},
    sync::OnceCell,
    time::timeout,
};

/// No behaviour takes longer.
const DEADLINE: Duration = Duration::from_mins(4);

/// One thing that Tidegate does, named by a sentence.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    /// The sentence.
    pub name: &'static str,
    /// Shows it.
    pub show: fn(Arc<World>) -> BoxFuture<'static, Result<()>>,
}

/// Lists async functions of `&World` as behaviours, each under its own name.
macro_rules! behaviours {
    ($($name:ident),* $(,)?) => {
        /// The behaviours of this topic.
        pub fn behaviours() -> Vec<$crate::behaviour::Behaviour> {
            vec![$($crate::behaviour::Behaviour {
                name: stringify!($name),
                show: |world| Box::pin(async move { $name(&world).await }),
            }),*]
        }
    };
}
pub(crate) use behaviours;

/// Those of `trials` that are on a list.
///
/// # Errors
/// What is on the list, and no behaviour any more.
pub fn listed(mut trials: Vec<Trial>, list: &[&str]) -> Result<Vec<Trial>, String> {
    let is_there = |name: &&&str| trials.iter().any(|trial| trial.name() == **name);
    if let Some(gone) = list.iter().find(|name| !is_there(name)) {
        return Err(format!("a list of behaviours has {gone}, which is none"));
    }
    trials.retain(|trial| list.contains(&trial.name()));
    Ok(trials)
}

/// Finds what a world is made of, or says in one line what is missing.
type Find = fn(Kind) -> tidegate_testkit::Result<Assets>;

/// The runtime, and the world once it is needed.
pub struct Stage {
    /// Which control plane the world stands on.
    pub kind: Kind,
    find: Find,
    passed: AtomicU64,
    runtime: Runtime,
    world: OnceCell<Result<Arc<World>, Absence>>,
    announced: Mutex<bool>,
}

/// Why there is no world.
#[derive(Debug, Clone)]
enum Absence {
    /// Something is not installed on this machine.
    Missing(String),
    /// It is all there, and does not start.
    Broken(String),
}

impl Stage {
    /// An empty stage; `find` says what the world will be made of.
    pub fn new(kind: Kind, find: Find) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build()?;
        let (passed, world, announced) = (AtomicU64::new(0), OnceCell::new(), Mutex::new(false));
        Ok(Self { kind, find, passed, runtime, world, announced })
    }

    /// Performs one behaviour, on the runtime's own threads: children are bound to the thread that starts them.
    pub fn perform(&self, behaviour: Behaviour) -> Result<Completion, Failed> {
        let world = self.runtime.block_on(self.world.get_or_init(|| async {
            let assets = (self.find)(self.kind).map_err(|missing| Absence::Missing(format!("{missing:#}")))?;
            let world = tokio::spawn(World::start(assets, self.kind)).await;
            let world = world.map_err(anyhow::Error::from).flatten();
            world.map(Arc::new).map_err(|error| Absence::Broken(format!("{error:#}")))
        }));
        let world = match world {
            Ok(world) => Arc::clone(world),
            Err(Absence::Missing(what)) if env::var_os("CI").is_none_or(|ci| ci != "true") => {
                self.announce(what);
                return Ok(Completion::ignored());
            }
            Err(Absence::Missing(why) | Absence::Broken(why)) => return Err(why.into()),
        };
        let show = async move { timeout(DEADLINE, (behaviour.show)(world)).await };
        let shown = self.runtime.block_on(self.runtime.spawn(show));
        match shown {
            Ok(Ok(Ok(()))) => {
                self.passed.fetch_add(1, Ordering::Relaxed);
                Ok(Completion::Completed)
            }
            Ok(Ok(Err(error))) => Err(format!("{error:#}").into()),
            Ok(Err(_)) => Err(format!("it took longer than {DEADLINE:?}").into()),
            Err(panicked) => Err(panicked.to_string().into()),
        }
    }

    /// How many behaviours were shown.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Ends everything that was started.
    pub fn close(self, patience: Duration) {
        self.runtime.shutdown_timeout(patience);
        drop(self.world);
    }

    fn announce(&self, missing: &str) {
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        if !*announced {
            eprintln!("{}: skipping all behaviours: {missing}", self.kind);
        }
        *announced = true;
    }
}
