//! How a receiver knows who asks: HMAC-SHA256 over the id, the time and the body.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme>

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac::{HMAC_SHA256, Key, sign};
use tidegate_endpoints::{Fault, secret};

/// What a key begins with that is written as base64.
const PREFIX: &str = "whsec_";

/// The key that a file holds.
///
/// # Errors
/// [`Fault::Credentials`]: the file cannot be read, or holds no key by which anybody could be known.
pub fn signing_key(file: &Path) -> Result<String, Fault> {
    let key = secret(file)?;
    if key == PREFIX {
        return Err(Fault::Credentials(format!("{}: it is empty: nothing follows {PREFIX}", file.display())));
    }
    Ok(key)
}

/// The value of the header `webhook-signature`. `secret` is `whsec_` and base64, or any text.
#[must_use]
pub fn signature(secret: &str, id: &str, time: i64, body: &str) -> String {
    let decoded = secret.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
    let key = Key::new(HMAC_SHA256, &decoded.unwrap_or_else(|| secret.as_bytes().to_vec()));
    let signed = sign(&key, format!("{id}.{time}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(signed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by Python's `hmac`.
    #[test]
    fn a_receiver_comes_to_the_same_signature() {
        let expected = "v1,KdknaNhiO7RSY00Cu0wC2fFQXUhmcK1k3dGeQ1boRlU=";
        assert_eq!(signature("whsec_c2VjcmV0IGtleQ==", "msg_1", 1_614_265_330, r#"{"test": 2432232314}"#), expected);
        assert_eq!(signature("secret key", "msg_1", 1_614_265_330, r#"{"test": 2432232314}"#), expected);
    }

    #[test]
    fn a_key_that_is_nothing_in_base64_is_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "whsec_\n").unwrap();
        let told = signing_key(file.path()).unwrap_err().to_string();
        assert!(told.ends_with(": it is empty: nothing follows whsec_"), "{told}");
        std::fs::write(file.path(), "whsec_c2VjcmV0IGtleQ==\n").unwrap();
        assert_eq!(signing_key(file.path()), Ok("whsec_c2VjcmV0IGtleQ==".to_owned()));
    }
}
