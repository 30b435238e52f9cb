//! The store against the API server.

use super::*;
use crate::{Scope, follow, store::Key};

struct Followed {
    door: Door,
    store: Arc<Store>,
    task: tokio::task::JoinHandle<()>,
}

impl Followed {
    fn new(scope: Scope) -> Self {
        let (door, store) = (Door::default(), Arc::new(Store::default()));
        for (namespace, name) in [("shop", "checkout"), ("bank", "ledger")] {
            door.put(rollout(namespace, name, 1));
        }
        let task = tokio::spawn(follow(door.client(), scope, store.clone(), Arc::new(Timestamp::now)));
        Self { door, store, task }
    }

    async fn until(&self, wanted: impl Fn(&Store) -> bool) {
        let mut changes = self.store.changes();
        let held = async {
            while !wanted(&self.store) {
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE * 10, held).await.unwrap();
    }

    fn phase(&self, name: &str) -> Option<String> {
        let key = Key { namespace: "shop".to_owned(), name: name.to_owned() };
        let (object, _) = self.store.get(&key)?;
        Some(object["status"]["phase"].as_str()?.to_owned())
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn the_store_follows_what_is_written_and_deleted() {
    let followed = Followed::new(Scope::All);
    followed.until(|store| store.health().0).await;
    assert_eq!(followed.store.keys("").len(), 2);
    let server = &followed.door.server;
    server.merge("rollouts", "shop", "checkout", "status", json!({"status": {"phase": "Held"}}), "test").unwrap();
    followed.until(|_| followed.phase("checkout").as_deref() == Some("Held")).await;
    server.delete("rollouts", "shop", "checkout", "test").unwrap();
    followed.until(|store| store.keys("shop").is_empty()).await;
}

#[tokio::test]
async fn one_namespace_is_one_namespace() {
    let followed = Followed::new(Scope::Namespaces(vec!["bank".to_owned()]));
    followed.until(|store| store.health().0).await;
    assert_eq!(followed.store.keys("").len(), followed.store.keys("bank").len());
}

#[tokio::test]
async fn nobody_is_shown_who_manages_which_field_or_what_was_applied_last() {
    let followed = Followed::new(Scope::All);
    let applied =
        json!({"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "kept": "yes"}}});
    followed.door.server.merge("rollouts", "shop", "checkout", "", applied, "test").unwrap();
    let key = Key { namespace: "shop".to_owned(), name: "checkout".to_owned() };
    followed.until(|store| store.get(&key).is_some_and(|(it, _)| it["metadata"]["annotations"]["kept"] == "yes")).await;
    let (object, _) = followed.store.get(&key).unwrap();
    assert_eq!(object["metadata"]["annotations"], json!({"kept": "yes"}));
    assert_eq!(object["metadata"]["managedFields"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_goes_away_is_noticed_and_so_is_its_return() {
    let followed = Followed::new(Scope::All);
    followed.until(|store| store.health().0).await;
    followed.door.silence(true);
    followed.door.server.keep_changes(0);
    followed.door.server.compact();
    followed
        .door
        .server
        .merge("rollouts", "shop", "checkout", "status", json!({"status": {"phase": "Held"}}), "test")
        .unwrap();
    followed.until(|store| store.health().1.is_some()).await;
    assert_eq!(followed.store.health().1.unwrap().message, "the cluster does not answer");
    // What was known is still shown.
    assert_eq!(followed.store.keys("").len(), 2);
    followed.door.silence(false);
    followed.until(|store| store.health().1.is_none()).await;
    followed.until(|_| followed.phase("checkout").as_deref() == Some("Held")).await;
}
