//! What the browser needs, in the binary.

use axum::response::{IntoResponse, Response};
use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
};

/// A file of the page.
struct Asset {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

macro_rules! assets {
    ($($path:literal $file:literal $kind:literal;)+) => {
        &[$(Asset { path: $path, kind: $kind, text: include_str!(concat!("../assets/", $file)) }),+]
    };
}

/// All of them. They say nothing of the cluster, so that everybody may read them.
const ASSETS: &[Asset] = assets! {
    "/" "index.html" "text/html; charset=utf-8";
    "/app.css" "app.css" "text/css; charset=utf-8";
    "/app.js" "app.js" "text/javascript; charset=utf-8";
    "/actions.js" "actions.js" "text/javascript; charset=utf-8";
    "/chart.js" "chart.js" "text/javascript; charset=utf-8";
    "/detail.js" "detail.js" "text/javascript; charset=utf-8";
    "/dom.js" "dom.js" "text/javascript; charset=utf-8";
    "/list.js" "list.js" "text/javascript; charset=utf-8";
    "/server.js" "server.js" "text/javascript; charset=utf-8";
    "/words.js" "words.js" "text/javascript; charset=utf-8";
    "/icon.svg" "icon.svg" "image/svg+xml";
};

/// What the browser may do with the page: run its own scripts, and speak with where it came from. Nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; frame-ancestors 'none'; form-action 'none'";

/// The headers of every answer.
pub const GUARDS: [(HeaderName, &str); 6] = [
    (HeaderName::from_static("content-security-policy"), POLICY),
    (HeaderName::from_static("x-content-type-options"), "nosniff"),
    (HeaderName::from_static("referrer-policy"), "no-referrer"),
    (HeaderName::from_static("x-frame-options"), "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The file at `path`. The browser asks each time whether it has changed: after an update it fits what the API says.
pub fn answer(path: &str, headers: &HeaderMap) -> Option<Response> {
    let asset = ASSETS.iter().find(|asset| asset.path == path)?;
    let digest = ring::digest::digest(&ring::digest::SHA256, asset.text.as_bytes());
    let tag = digest.as_ref().iter().take(8).fold(0_u64, |tag, byte| tag << 8 | u64::from(*byte));
    let tag = format!("\"{tag:016x}\"");
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let common = [(CACHE_CONTROL, "no-cache".to_owned()), (ETAG, tag)];
    Some(if is_known {
        (StatusCode::NOT_MODIFIED, common).into_response()
    } else {
        (common, [(CONTENT_TYPE, asset.kind)], asset.text).into_response()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_less_than_150_kb() {
        let bytes: usize = ASSETS.iter().map(|asset| asset.text.len()).sum();
        assert!(bytes <= 150_000, "{bytes}");
    }

    #[test]
    fn no_script_makes_markup_of_data_and_nothing_comes_from_elsewhere() {
        for asset in ASSETS {
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "https://",
                "document.cookie",
            ] {
                assert!(!asset.text.contains(forbidden), "{} in {}", forbidden, asset.path);
            }
            let inline = ["<script>", "<style", " style=", " onclick"].iter().any(|it| asset.text.contains(it));
            assert!(!(inline && asset.path == "/"), "{}", asset.path);
        }
    }
}
