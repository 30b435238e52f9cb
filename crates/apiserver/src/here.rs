//! Who may ask over HTTP: programs of this machine, and no web page. The server knows no users, so any page that a browser shows could
//! write into it: under this machine's name from another page, or by a name of the page's own that leads here (DNS rebinding).

use http::{
    header::{HOST, ORIGIN},
    request::Parts,
    uri::Authority,
};
use serde_json::Value;

use super::Refusal;

/// Whether the request names this machine, and comes from no page of another place.
///
/// # Errors
/// What is refused, and why.
pub(super) fn admit(parts: &Parts) -> Result<(), Refusal> {
    let header = |name| parts.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = header(HOST).or_else(|| parts.uri.authority().map(Authority::as_str)).unwrap_or_default();
    if !is_this_machine(host) {
        return Err(refusal(format!("only requests to 127.0.0.1, [::1] and localhost are answered, not to {host:?}")));
    }
    match header(ORIGIN) {
        Some(origin) if origin.strip_prefix("http://") != Some(host) => {
            Err(refusal(format!("web pages are not answered, and this request comes from {origin:?}")))
        }
        _ => Ok(()),
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.parse::<Authority>().ok().filter(|host| !host.as_str().contains('@'));
    host.is_some_and(|host| matches!(host.host().to_ascii_lowercase().as_str(), "127.0.0.1" | "[::1]" | "localhost"))
}

fn refusal(message: String) -> Refusal {
    Refusal { code: 403, reason: "Forbidden", message, details: Value::Null }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(headers: &[(&str, &str)]) -> Result<(), String> {
        let mut request = http::Request::builder().method("POST").uri("/api/v1/namespaces/default/configmaps");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        admit(&request.body(()).unwrap().into_parts().0).map_err(|refusal| refusal.message)
    }

    #[test]
    fn programs_of_this_machine_are_answered_by_each_of_its_names() {
        for host in ["127.0.0.1:8001", "127.0.0.1", "localhost:8001", "LOCALHOST", "[::1]:8001", "[::1]"] {
            assert_eq!(admitted(&[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(admitted(&[("host", "localhost:8001"), ("origin", "http://localhost:8001")]), Ok(()));
    }

    #[test]
    fn a_name_that_is_not_this_machines_is_refused_with_a_sentence() {
        for host in
            ["evil.example", "127.0.0.1.evil.example:8001", "localhost@evil.example", "10.0.0.1:8001", "", "::1"]
        {
            let told = format!("only requests to 127.0.0.1, [::1] and localhost are answered, not to {host:?}");
            assert_eq!(admitted(&[("host", host)]), Err(told));
        }
        assert!(admitted(&[]).is_err());
    }

    #[test]
    fn a_web_page_of_another_place_is_refused_with_a_sentence() {
        for origin in ["https://evil.example", "null", "http://127.0.0.1:9000", "http://127.0.0.1:8001.evil.example"] {
            let told = format!("web pages are not answered, and this request comes from {origin:?}");
            assert_eq!(admitted(&[("host", "127.0.0.1:8001"), ("origin", origin)]), Err(told));
        }
    }
}
