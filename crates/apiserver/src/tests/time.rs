use std::{thread, time::Duration};

use jiff::Timestamp;
use tokio::runtime::Builder;

use super::*;

#[tokio::test(start_paused = true)]
async fn whoever_asks_from_another_runtime_is_told_the_servers_time() {
    let origin: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
    let server = ApiServer::new(Clock::starting_at(origin), 1);
    tokio::time::sleep(Duration::from_hours(1)).await;
    let elsewhere = server.clone();
    let asked = thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async { elsewhere.create(config_map("late"), "kubectl").unwrap() })
    });
    let created = asked.join().unwrap();
    assert_eq!(created.value()["metadata"]["creationTimestamp"], "2026-03-02T10:00:00Z");
}
