//! What an open page is told.

use axum::body::BodyDataStream;
use futures::StreamExt;

use super::*;

/// A page that somebody has open.
struct Page {
    body: BodyDataStream,
    text: String,
}

impl Page {
    async fn open(scene: &Scene, token: &str) -> Self {
        let request = Request::get("/api/events").header("authorization", format!("Bearer {token}"));
        let answer = scene.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        Self { body: answer.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event and its data; nothing at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (name, data) = event.split_once('\n').unwrap();
                let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
                let found = (name.strip_prefix("event: ").unwrap().to_owned(), data);
                self.text = rest.to_owned();
                return Some(found);
            }
            let more = tokio::time::timeout(PATIENCE * 20, self.body.next()).await.unwrap()?.unwrap();
            self.text.push_str(std::str::from_utf8(&more).unwrap());
        }
    }

    async fn news(&mut self) -> Value {
        let (name, data) = self.next().await.unwrap();
        assert_eq!(name, "news", "{data}");
        data
    }
}

fn names(news: &Value) -> Vec<&str> {
    news["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_page_is_told_everything_first_and_then_what_changes_of_what_it_may_see() {
    let scene = Scene::cluster();
    let store = &scene.dashboard.store;
    let mut page = Page::open(&scene, "janes").await;
    let first = page.news().await;
    assert_eq!((names(&first), &first["reset"]), (vec!["checkout", "search"], &json!(true)));
    store.put(rollout("bank", "ledger", 2), Timestamp::UNIX_EPOCH);
    store.put(rollout("shop", "search", 2), Timestamp::UNIX_EPOCH);
    let second = page.news().await;
    assert_eq!((names(&second), &second["reset"]), (vec!["search"], &json!(false)));
    for (namespace, name) in [("bank", "ledger"), ("shop", "checkout")] {
        store.remove(&crate::store::Key { namespace: namespace.to_owned(), name: name.to_owned() });
    }
    assert_eq!(page.news().await["gone"], json!(["shop/checkout"]));
}

#[tokio::test(start_paused = true)]
async fn thousands_of_changes_at_once_are_two_events_a_second_with_each_rollout_once() {
    let scene = Scene::cluster();
    let mut page = Page::open(&scene, "roots").await;
    page.news().await;
    let began = tokio::time::Instant::now();
    let store = scene.dashboard.store.clone();
    let writer = tokio::spawn(async move {
        for version in 2..6_000 {
            store.put(rollout("shop", ["checkout", "search"][version % 2], version), Timestamp::UNIX_EPOCH);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let mut events = 0;
    while !writer.is_finished() {
        assert!(names(&page.news().await).len() <= 2);
        events += 1;
    }
    let most = began.elapsed().as_secs() * 2 + 2;
    assert!(events <= most, "{events} events in {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_rollouts_come_in_parts() {
    let scene = Scene::cluster();
    for number in 0..1_200 {
        scene.dashboard.store.put(rollout("shop", &format!("r{number}"), 1), Timestamp::UNIX_EPOCH);
    }
    scene.dashboard.store.complete();
    let mut page = Page::open(&scene, "roots").await;
    let mut parts = Vec::new();
    loop {
        let news = page.news().await;
        parts.push((names(&news).len(), news["reset"] == true));
        if news["complete"] == true {
            break;
        }
    }
    assert_eq!(parts, [(500, true), (500, false), (203, false)]);
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_token_expires_is_told_nothing_more() {
    let scene = Scene::cluster();
    let mut page = Page::open(&scene, "janes").await;
    page.news().await;
    scene.door.expire("janes");
    tokio::time::advance(Duration::from_secs(121)).await;
    let mut last = page.next().await;
    while let Some((name, _)) = &last
        && name == "news"
    {
        last = page.next().await;
    }
    let (name, data) = last.unwrap();
    assert_eq!(name, "refused", "{data}");
    assert_eq!(page.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_reader_loses_a_namespace_forgets_it() {
    let scene = Scene::cluster();
    let mut page = Page::open(&scene, "bobs").await;
    assert_eq!(names(&page.news().await).len(), 2);
    scene.door.shut_out("bob", "shop");
    tokio::time::advance(Duration::from_secs(11)).await;
    scene.dashboard.store.put(rollout("shop", "search", 2), Timestamp::UNIX_EPOCH);
    let mut news = page.news().await;
    while news["reset"] != true {
        assert_eq!(names(&news), [""; 0]);
        news = page.news().await;
    }
    assert_eq!(names(&news), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_goes_away_is_told_of_with_since_when() {
    let scene = Scene::cluster();
    let mut page = Page::open(&scene, "roots").await;
    assert_eq!(page.news().await["trouble"], Value::Null);
    scene.dashboard.store.trouble("", Some("the cluster does not answer"), Timestamp::UNIX_EPOCH);
    let trouble = json!({"message": "the cluster does not answer", "since": "1970-01-01T00:00:00Z"});
    assert_eq!(page.news().await["trouble"], trouble);
    scene.dashboard.store.trouble("", None, Timestamp::UNIX_EPOCH);
    assert_eq!(page.news().await["trouble"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn there_is_a_last_page_that_is_kept_up_to_date() {
    let scene = Scene::cluster();
    let mut pages = Vec::new();
    for _ in 0..256 {
        pages.push(Page::open(&scene, "roots").await);
    }
    let jane = ("authorization", "Bearer janes");
    assert_eq!(scene.get("/api/events", &[jane]).await.0, StatusCode::SERVICE_UNAVAILABLE);
    pages.pop();
    Page::open(&scene, "janes").await;
}
