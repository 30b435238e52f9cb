//! How AWS knows who asks: Signature Version 4.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt::Write as _;

use jiff::{Timestamp, tz::TimeZone};
use ring::{
    digest::{SHA256, digest},
    hmac::{HMAC_SHA256, Key, sign},
};

/// Who asks.
pub(super) struct Credentials<'a> {
    pub(super) access_key: &'a str,
    pub(super) secret_key: &'a str,
}

/// What is asked: a `POST` to the path `/`.
pub(super) struct Signed<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// The headers, in lower case and sorted by name: `host` and `x-amz-date` are among them.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

/// The value of the header `x-amz-date`.
pub(super) fn date(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The value of the header `authorization`; `date` is that of `x-amz-date`.
pub(super) fn authorization(credentials: &Credentials<'_>, date: &str, signed: &Signed<'_>) -> String {
    let Signed { region, service, headers, body } = signed;
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let mut request = "POST\n/\n\n".to_owned();
    for (name, value) in *headers {
        let _ = writeln!(request, "{name}:{value}");
    }
    let _ = write!(request, "\n{names}\n{}", hexadecimal(digest(&SHA256, body).as_ref()));
    let day = date.get(..8).unwrap_or_default();
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let text =
        format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hexadecimal(digest(&SHA256, request.as_bytes()).as_ref()));
    let mut key = format!("AWS4{}", credentials.secret_key).into_bytes();
    for part in [day, region, service, "aws4_request"] {
        key = sign(&Key::new(HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
    }
    let signature = hexadecimal(sign(&Key::new(HMAC_SHA256, &key), text.as_bytes()).as_ref());
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        credentials.access_key
    )
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by botocore 1.44.8.
    #[test]
    fn aws_comes_to_the_same_signature() {
        let credentials =
            Credentials { access_key: "AKIDEXAMPLE", secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
        let date = date("2026-03-02T09:00:00Z".parse().unwrap());
        let headers = [
            ("content-type", "application/x-amz-json-1.0"),
            ("host", "monitoring.eu-west-1.amazonaws.com"),
            ("x-amz-date", &*date),
            ("x-amz-target", "GraniteServiceVersion20100801.GetMetricData"),
        ];
        let signed = Signed { region: "eu-west-1", service: "monitoring", headers: &headers, body: br#"{"a":1}"# };
        assert_eq!(
            authorization(&credentials, &date, &signed),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260302/eu-west-1/monitoring/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
             Signature=a5b867fd20eda7a20cf85c671ed048d8a45de4cd059d8a94a2258bbbf5763bdf"
        );
    }
}
