//! Loopback ports that nobody else uses.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};

/// A port that was free a moment ago.
pub fn free() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free loopback port")?;
    Ok(listener.local_addr()?.port())
}

/// The address of the pod that has a port: its own, as that port is.
///
/// On loopback, where EndpointSlices allow none, it serves at the port; here, as in a cluster, at the port that its
/// container names. The range is the one for benchmarks of network devices (<https://www.rfc-editor.org/rfc/rfc2544>),
/// which leads nowhere else, and here only once somebody has said `ip route add local 198.18.0.0/15 dev lo`.
pub fn address(port: u16) -> Ipv4Addr {
    let [high, low] = port.to_be_bytes();
    Ipv4Addr::new(198, 18, high, low)
}

/// Whether packets to the addresses of pods arrive on this machine.
pub fn pods_are_reachable() -> bool {
    TcpListener::bind((address(0), 0)).is_ok()
}

/// A fixed range of ports for pods.
///
/// Prometheus takes up to ten seconds to act on a change of its targets (two five-second tickers in series), which
/// is longer than most behaviours bake. So the targets never change: all ports are scraped all the time, and a
/// pod is seen with the first scrape after it took its port.
#[derive(Debug)]
pub struct PodPorts {
    range: Range<u16>,
    free: Mutex<Vec<u16>>,
}

/// The beginnings of the ranges that this process has reserved: several worlds may start at the same time.
static RESERVED: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

impl PodPorts {
    const COUNT: u16 = 256;

    /// Finds a range in which no port is in use, below the range that the system gives out by itself.
    pub fn reserve() -> Result<Self> {
        let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
        let start = (20_000..32_000 - Self::COUNT)
            .step_by(Self::COUNT.into())
            .filter(|start| start / Self::COUNT % 16 == u16::try_from(std::process::id() % 16).unwrap_or_default())
            .chain((20_000..32_000 - Self::COUNT).step_by(Self::COUNT.into()))
            .find(|start| {
                let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
                !reserved.contains(start) && (*start..start + Self::COUNT).all(is_free)
            })
            .context("no 256 consecutive free loopback ports between 20000 and 32000")?;
        reserved.insert(start);
        let range = start..start + Self::COUNT;
        Ok(Self { free: Mutex::new(range.clone().rev().collect()), range })
    }

    /// All ports, taken or not.
    pub fn all(&self) -> Range<u16> {
        self.range.clone()
    }

    /// One port for one pod, if any is left.
    pub fn take(&self) -> Option<u16> {
        self.free.lock().ok()?.pop()
    }

    /// Gives a port back; it is taken again only after all others.
    pub fn release(&self, port: u16) {
        if let Ok(mut free) = self.free.lock() {
            free.insert(0, port);
        }
    }
}
