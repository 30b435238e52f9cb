//! An API server that knows one Lease, with the faults that real ones have.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Client, client::Body};
use tokio::time::sleep;

/// What happens to one request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fault {
    /// On the way to the API server.
    pub before: Duration,
    /// On the way back.
    pub after: Duration,
    /// The request never arrives.
    pub lost: bool,
    /// The request is carried out, and its answer never arrives.
    pub unanswered: bool,
    /// The API server says 500 and does nothing.
    pub refused: bool,
}

#[derive(Default)]
struct Store {
    lease: Option<Lease>,
    version: u64,
}

/// The Lease, shared by all clients.
#[derive(Clone, Default)]
pub struct LeaseApi(Arc<Mutex<Store>>);

impl LeaseApi {
    /// The Lease as it is.
    pub fn lease(&self) -> Option<Lease> {
        self.0.lock().unwrap().lease.clone()
    }

    /// Somebody changes the Lease by hand.
    pub fn edit(&self, change: impl FnOnce(&mut Option<Lease>)) {
        let mut store = self.0.lock().unwrap();
        store.version += 1;
        let version = store.version.to_string();
        change(&mut store.lease);
        if let Some(lease) = &mut store.lease {
            lease.metadata.resource_version = Some(version);
        }
    }

    /// A client whose requests suffer what `fault` says.
    pub fn client(&self, fault: impl Fn() -> Fault + Clone + Send + 'static) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (api, fault) = (api.clone(), fault());
            async move {
                sleep(fault.before).await;
                if fault.lost {
                    std::future::pending::<()>().await;
                }
                let response = if fault.refused {
                    failure(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
                } else {
                    api.answer(request).await
                };
                if fault.unanswered {
                    std::future::pending::<()>().await;
                }
                sleep(fault.after).await;
                Ok::<_, Infallible>(response)
            }
        });
        Client::new(service, "default")
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let mut store = self.0.lock().unwrap();
        match (parts.method, store.lease.clone()) {
            (Method::GET, Some(lease)) => success(&lease),
            (Method::GET | Method::PUT, None) => failure(StatusCode::NOT_FOUND, "NotFound"),
            (Method::POST, Some(_)) => failure(StatusCode::CONFLICT, "AlreadyExists"),
            (Method::POST, None) => store.write(serde_json::from_slice(&body).unwrap()),
            (Method::PUT, Some(old)) => {
                let new: Lease = serde_json::from_slice(&body).unwrap();
                assert!(new.metadata.resource_version.is_some(), "a lease is only written under its resourceVersion");
                if new.metadata.resource_version == old.metadata.resource_version {
                    store.write(new)
                } else {
                    failure(StatusCode::CONFLICT, "Conflict")
                }
            }
            (method, _) => panic!("unexpected {method}"),
        }
    }
}

impl Store {
    fn write(&mut self, mut lease: Lease) -> Response<Body> {
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        self.lease = Some(lease.clone());
        success(&lease)
    }
}

fn success(lease: &Lease) -> Response<Body> {
    Response::new(Body::from(serde_json::to_vec(lease).unwrap()))
}

fn failure(code: StatusCode, reason: &str) -> Response<Body> {
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "message": reason, "reason": reason, "code": code.as_u16(),
    });
    Response::builder().status(code).body(Body::from(serde_json::to_vec(&status).unwrap())).unwrap()
}
