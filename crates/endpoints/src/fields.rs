//! What a field of a service may say, wherever a service is configured.

use std::{collections::BTreeMap, path::PathBuf};

use reqwest::{
    Url,
    header::{HeaderName, HeaderValue},
};

use super::BasicAuth;

/// A field that cannot be used, and why.
pub type Unfit = (&'static str, String);

/// Reads the address of a service.
///
/// # Errors
/// It is none, or holds credentials.
pub fn address(text: &str) -> Result<Url, Unfit> {
    if text.is_empty() {
        return Err(("url", "is empty".to_owned()));
    }
    // Url::parse leaves ends of lines and tabs out, and so would make one address of two.
    if text.contains(['\n', '\r']) {
        return Err(("url", "holds more than one line".to_owned()));
    }
    if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        return Err(("url", "must not hold spaces".to_owned()));
    }
    let begins = |scheme: &str| text.get(..scheme.len()).is_some_and(|text| text.eq_ignore_ascii_case(scheme));
    if !begins("http://") && !begins("https://") {
        return Err(("url", "must start with http:// or https:// and name a host".to_owned()));
    }
    let url = Url::parse(text).map_err(|error| ("url", format!("is not a URL: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("url", "must not hold credentials; they belong in files".to_owned()));
    }
    Ok(url)
}

/// Whether these headers may be sent, with values that stand there and with values in files.
///
/// # Errors
/// A name or a value is none, or a secret stands in the open.
pub fn headers(written: &BTreeMap<String, String>, in_files: &BTreeMap<String, PathBuf>) -> Result<(), Unfit> {
    let named = |field, header: &String| {
        HeaderName::try_from(header).map_err(|_| (field, format!("{header:?} is not the name of a header")))
    };
    for (header, value) in written {
        named("headers", header)?;
        HeaderValue::try_from(value).map_err(|_| ("headers", format!("the value of {header:?} is not allowed")))?;
        if header.eq_ignore_ascii_case("authorization") {
            return Err(("headers", "a secret belongs in bearerTokenFile or basicAuth, not here".to_owned()));
        }
    }
    in_files.keys().try_for_each(|header| named("headerFiles", header).map(drop))
}

/// Whether there is at most one way to say who asks.
///
/// # Errors
/// There are two.
pub fn credentials(token: Option<&PathBuf>, basic: Option<&BasicAuth>) -> Result<(), Unfit> {
    if token.is_some() && basic.is_some() {
        return Err(("basicAuth", "cannot be used together with bearerTokenFile".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_told_in_words() {
        let place = "must start with http:// or https:// and name a host";
        for (text, why) in [
            ("", "is empty"),
            ("http://a/x\nhttp://b/y", "holds more than one line"),
            ("http://a/x\ty", "must not hold spaces"),
            ("http://a/x y", "must not hold spaces"),
            ("example.com/x", place),
            ("ftp://a", place),
            ("http://", "is not a URL: empty host"),
            ("http://a:port", "is not a URL: invalid port number"),
        ] {
            assert_eq!(address(text), Err(("url", why.to_owned())), "{text:?}");
        }
        assert!(address("https://a.example/x?y=z").is_ok());
    }
}
