//! One port for HTTP/1.1 and for HTTP/2 without TLS.

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tower::ServiceExt;

/// Serves until `stopped`, then finishes what is under way on each connection. Whoever aborts it cuts them all.
pub async fn serve(listener: TcpListener, routes: Router, mut stopped: watch::Receiver<bool>) {
    let (http, graceful) = (Builder::new(TokioExecutor::new()), GracefulShutdown::new());
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else { continue };
        // Answers of a few bytes must not wait for the acknowledgement of the ones before them.
        let _ = stream.set_nodelay(true);
        let routes = routes.clone();
        let answer = service_fn(move |request: Request<Incoming>| routes.clone().oneshot(request.map(Body::new)));
        let connection = http.serve_connection(TokioIo::new(stream), answer).into_owned();
        connections.spawn(graceful.watch(connection));
    }
    drop(listener);
    graceful.shutdown().await;
}
