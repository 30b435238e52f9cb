//! Sends real requests through the gateway, as many a second as told however long the answers take, if the machine can, and
//! keeps a receipt of each.

mod call;
mod connections;
mod customer;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};

use self::{
    call::{answer_to, reply_to},
    connections::Connections,
};
use super::{envoy, shop::Shop};

pub use self::{
    call::Reply,
    customer::{Customer, Jar},
};

/// Nobody waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Of one crowd, so many requests are under way at most: those of 500 a second are 50, and a machine that is too slow for them
/// has fewer to answer, and not later and later ones.
const UNDER_WAY: usize = 128;

/// What is asked, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// HTTP/1.1 on a connection that is kept.
    Short,
    /// The same, and the answer takes two seconds.
    Long,
    /// HTTP/2, all on one connection.
    Http2,
    /// A gRPC method that answers once, on the same connection.
    Unary,
    /// A gRPC method that answers for six seconds, on the same connection.
    Stream,
}

impl Kind {
    /// After so many requests the kinds come again.
    const ROUND: u64 = 250;

    /// Of the requests in their order: every tenth HTTP/2, every tenth gRPC, every fiftieth long, and a few streams.
    fn of(number: u64) -> Self {
        match number {
            _ if number % Self::ROUND == 9 => Self::Stream,
            _ if number % 50 == 7 => Self::Long,
            _ if number % 10 == 3 => Self::Http2,
            _ if number % 10 == 6 => Self::Unary,
            _ => Self::Short,
        }
    }

    /// As a call: one that lasts instead of a long request.
    fn as_call(self) -> Self {
        match self {
            Self::Long | Self::Stream => Self::Stream,
            Self::Short | Self::Http2 | Self::Unary => Self::Unary,
        }
    }

    /// How long the answer takes.
    fn takes(self) -> Duration {
        match self {
            Self::Short | Self::Http2 | Self::Unary => Duration::ZERO,
            Self::Long => Duration::from_secs(2),
            Self::Stream => LONGEST,
        }
    }
}

/// How long the longest request takes.
pub const LONGEST: Duration = Duration::from_secs(6);

/// A request that was answered in full, and well.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked.
    pub kind: Kind,
    /// Who asked: the place among the customers.
    pub customer: usize,
    /// The `pod-template-hash` of the pod that answered.
    pub revision: String,
    /// When it arrived at the pod.
    pub arrived: Timestamp,
    /// When all of the answer was there.
    pub over: Timestamp,
}

/// A request that was not.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What was asked.
    pub kind: Kind,
    /// Who asked: the place among the customers.
    pub customer: usize,
    /// When it was sent.
    pub sent: Timestamp,
    /// What came instead of an answer.
    pub why: String,
}

/// What became of the requests.
#[derive(Debug, Clone, Default)]
pub struct Receipt {
    /// In the order in which they were answered.
    pub answers: Vec<Answer>,
    /// In the order in which they failed.
    pub failures: Vec<Failure>,
}

/// Customers of one shop; they leave when dropped.
pub struct Customers {
    receipt: Arc<Mutex<Receipt>>,
    leave: watch::Sender<bool>,
    sending: JoinHandle<()>,
}

/// Customers with their way to the gateway.
struct Crowd {
    connections: Connections,
    customers: Vec<(Customer, tokio::sync::Mutex<Jar>)>,
    receipt: Arc<Mutex<Receipt>>,
    left: watch::Receiver<bool>,
}

impl Customers {
    /// Starts to send `per_second` requests a second to a shop's route, as somebody who says nothing of himself.
    pub fn enter(shop: &Shop, per_second: f64) -> Result<Self> {
        Self::enter_as(shop, per_second, vec![Customer::default()])
    }

    /// The same as these customers, of whom one after the other has a turn.
    pub fn enter_as(shop: &Shop, per_second: f64, customers: Vec<Customer>) -> Result<Self> {
        let connections = connections(shop)?;
        let receipt = Arc::new(Mutex::new(Receipt::default()));
        let jars = customers.iter().map(|customer| tokio::sync::Mutex::new(customer.cookies.clone()));
        let jars: Vec<_> = jars.collect();
        let customers = customers.into_iter().zip(jars).collect();
        let (leave, left) = watch::channel(false);
        let crowd = Crowd { connections, customers, receipt: Arc::clone(&receipt), left: left.clone() };
        let sending = tokio::spawn(send(Arc::new(crowd), per_second, left));
        Ok(Self { receipt, leave, sending })
    }

    /// What `of` makes of what became of the requests that are over so far.
    pub fn so_far<T>(&self, of: impl FnOnce(&Receipt) -> T) -> T {
        of(&lock(&self.receipt))
    }

    /// The receipt so far, once that is `wanted` of it.
    pub fn once(&self, wanted: impl FnOnce(&Receipt) -> bool) -> Option<Receipt> {
        self.so_far(|receipt| wanted(receipt).then(|| receipt.clone()))
    }

    /// Has no more requests sent, and waits for those under way.
    pub async fn leave(mut self) -> Result<Receipt> {
        self.leave.send_replace(true);
        timeout(PATIENCE * 2, &mut self.sending).await??;
        Ok(self.so_far(Receipt::clone))
    }
}

impl Drop for Customers {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

/// Sends one request, and returns what came, whoever sent it.
///
/// # Errors
/// Why nothing came, or only a part.
pub async fn ask(shop: &Shop, kind: Kind, customer: &Customer) -> Result<Reply> {
    let mut jar = customer.cookies.clone();
    timeout(PATIENCE, reply_to(&connections(shop)?, kind, customer, &mut jar)).await?
}

fn connections(shop: &Shop) -> Result<Connections> {
    let address = shop.data_plane.gateway.leader.address().context("this world has no gateway")?;
    Ok(Connections::to(address, envoy::authority(&shop.namespace)))
}

async fn send(crowd: Arc<Crowd>, per_second: f64, mut left: watch::Receiver<bool>) {
    let mut ticks = interval(Duration::from_secs_f64(per_second.recip()));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut under_way = JoinSet::new();
    for number in 0.. {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = left.wait_for(|left| *left) => break,
        }
        while under_way.try_join_next().is_some() {}
        if under_way.len() >= UNDER_WAY {
            under_way.join_next().await;
        }
        let crowd = Arc::clone(&crowd);
        under_way.spawn(async move { crowd.send(number).await });
    }
    while under_way.join_next().await.is_some() {}
}

impl Crowd {
    async fn send(&self, number: u64) {
        let customer = self.whose_turn(number);
        let only_calls = self.customers.get(customer).is_some_and(|(customer, _)| customer.only_calls);
        let kind = if only_calls { Kind::of(number).as_call() } else { Kind::of(number) };
        let Some((who, jar)) = self.customers.get(customer) else { return };
        let mut hand = jar.lock().await;
        if *self.left.borrow() {
            return;
        }
        let mut copy = hand.clone();
        // Who keeps cookies waits for the answer to his last request, as long as a jar can be in one hand only.
        let cookies = if who.keeps_cookies {
            &mut *hand
        } else {
            drop(hand);
            &mut copy
        };
        let sent = Timestamp::now();
        let answer = timeout(PATIENCE, answer_to(&self.connections, kind, who, cookies)).await;
        let answer = answer.unwrap_or_else(|_| Err(anyhow!("no answer within {PATIENCE:?}")));
        let mut receipt = lock(&self.receipt);
        match answer {
            Ok((revision, [arrived, over])) => {
                receipt.answers.push(Answer { kind, customer, revision, arrived, over });
            }
            Err(error) => receipt.failures.push(Failure { kind, customer, sent, why: format!("{error:#}") }),
        }
    }

    /// The kinds of requests come in the same order every time: one's customer in one round is the next one's in the
    /// next.
    fn whose_turn(&self, number: u64) -> usize {
        let turn = usize::try_from(number + number / Kind::ROUND).unwrap_or_default();
        turn.checked_rem(self.customers.len()).unwrap_or_default()
    }
}

impl Receipt {
    /// How many requests of one kind a revision answered.
    pub fn answered(&self, revision: &str, kind: Kind) -> usize {
        self.answers.iter().filter(|answer| answer.revision == revision && answer.kind == kind).count()
    }

    /// When the last request arrived at a revision.
    pub fn last_of(&self, revision: &str) -> Option<Timestamp> {
        self.answers.iter().filter(|answer| answer.revision == revision).map(|answer| answer.arrived).max()
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = BTreeMap::<_, usize>::new();
        for answer in &self.answers {
            *counts.entry((&answer.revision, answer.kind)).or_default() += 1;
        }
        writeln!(f, "answered: {counts:?}; failed: {}", self.failures.len())?;
        for Failure { kind, sent, why, .. } in self.failures.iter().take(10) {
            writeln!(f, "  {kind:?} sent at {sent}: {why}")?;
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
