//! Why somebody is shown nothing, in a sentence for them.

use axum::response::{IntoResponse, Response};
use http::{
    StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use serde_json::json;

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not say who asks, or not in a way that is believed.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// Whoever asks may not, or it did not come from the dashboard's own page.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such Rollout, or none that may be seen: the answer is the same.
    #[error("there is no such Rollout, or you may not see it")]
    NotFound,
    /// What was asked for is over: another version is on its way.
    #[error("{0}")]
    Conflict(String),
    /// It cannot be understood.
    #[error("{0}")]
    BadRequest(&'static str),
    /// The cluster does not answer, or too many people ask.
    #[error("{0}")]
    Unavailable(&'static str),
}

impl Refusal {
    fn code(&self) -> StatusCode {
        match self {
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = self.code();
        let body = json!({"message": self.to_string()}).to_string();
        let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
        let mut response = (code, headers, body).into_response();
        if code == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
        }
        response
    }
}
