//! The writes of one promotion, counted where they arrive: in the API server's audit log.

use std::{collections::BTreeMap, fmt, time::Duration};

use jiff::Timestamp;
use tidegate_testkit::{
    Result,
    audit::{Access, Request},
    control_plane::Identity,
    world::World,
};

use crate::scene::{CROWD, REPLICAS, SHORT, adopted, promoted};

/// How long the shop is watched before and after: the operator refreshes what people read within ten seconds.
const AT_REST: Duration = Duration::from_secs(20);

/// What the operator wrote.
pub struct Writes {
    /// By verb and resource: all, and those of them that were refused with 409.
    rows: BTreeMap<(String, String), (usize, usize)>,
    /// How many events it sent.
    pub events: usize,
    at_rest: usize,
}

/// Promotes a version, and counts.
pub async fn of_a_promotion(world: &World) -> Result<Writes> {
    let shop = adopted(world, "promotion", SHORT).await?;
    tokio::time::sleep(AT_REST).await;
    let released = Timestamp::now();
    shop.release("v2", &[CROWD]).await?;
    promoted(&shop, "v2").await?;
    let over = Timestamp::now();
    tokio::time::sleep(AT_REST).await;
    let written = world.audit.writes(Identity::Operator, &shop.namespace, released)?;
    let (during, after): (Vec<_>, Vec<_>) = written.into_iter().partition(|request| request.at < over);
    let (events, writes): (Vec<_>, Vec<_>) = during.into_iter().partition(is_event);
    let mut rows = BTreeMap::<_, (usize, usize)>::new();
    for Request { access: Access { verb, resource, subresource, .. }, code, .. } in writes {
        let slash = if subresource.is_empty() { "" } else { "/" };
        let (all, refused) = rows.entry((verb, format!("{resource}{slash}{subresource}"))).or_default();
        *all += 1;
        *refused += usize::from(code == 409);
    }
    Ok(Writes { rows, events: events.len(), at_rest: after.len() })
}

fn is_event(request: &Request) -> bool {
    request.access.group == "events.k8s.io"
}

impl Writes {
    /// All but the events.
    pub fn total(&self) -> usize {
        self.rows.values().map(|(all, _)| all).sum()
    }
}

impl fmt::Display for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the operator's writes for one promotion, {REPLICAS} pods, one route, three stages, two checks:")?;
        writeln!(f, "  {:<8} {:<20} {:>6} {:>12}", "verb", "resource", "count", "of them 409")?;
        for ((verb, resource), (all, refused)) in &self.rows {
            writeln!(f, "  {verb:<8} {resource:<20} {all:>6} {refused:>12}")?;
        }
        let refused: usize = self.rows.values().map(|(_, refused)| refused).sum();
        writeln!(f, "  {:<29} {:>6} {refused:>12}", "all", self.total())?;
        writeln!(f, "  {:<29} {:>6}", "events", self.events)?;
        writeln!(f, "  {:<29} {:>6}", format!("at rest, for {AT_REST:?}"), self.at_rest)?;
        writeln!(f, "  left out: the renewals of the Lease, which serve all Rollouts, and other controllers' writes")
    }
}
