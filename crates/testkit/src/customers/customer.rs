//! Whom requests come from, and what they say of themselves.

use std::collections::BTreeMap;

use hyper::{HeaderMap, Method, header::SET_COOKIE};

/// One customer.
#[derive(Debug, Clone)]
pub struct Customer {
    /// Of all requests but those of gRPC, whose methods are paths.
    pub method: Method,
    /// Of the same.
    pub path: String,
    /// Of the same.
    pub query: Vec<(String, String)>,
    /// Of all requests, beside what they need.
    pub headers: Vec<(String, String)>,
    /// What the customer comes with.
    pub cookies: Jar,
    /// Whether the cookies that come with answers go with later requests; of which there is then one at a time.
    pub keeps_cookies: bool,
    /// Whether gRPC is all that the customer speaks.
    pub only_calls: bool,
}

/// Cookies by name. Whatever else is said of them is not heeded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Jar(BTreeMap<String, String>);

impl Default for Customer {
    /// One who asks for `/`, and says nothing.
    fn default() -> Self {
        Self {
            method: Method::GET,
            path: "/".to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            cookies: Jar::default(),
            keeps_cookies: false,
            only_calls: false,
        }
    }
}

impl Customer {
    /// One who keeps cookies.
    pub fn who_keeps_cookies() -> Self {
        Self { keeps_cookies: true, ..Self::default() }
    }

    /// One who speaks gRPC only.
    pub fn who_only_calls() -> Self {
        Self { only_calls: true, ..Self::default() }
    }

    /// Asks for another path.
    pub fn asking(mut self, method: Method, path: &str) -> Self {
        self.method = method;
        path.clone_into(&mut self.path);
        self
    }

    /// Says a header more.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Says a parameter more, which has to be fit for a URL as it is.
    pub fn with_query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Comes with a cookie more.
    pub fn with_cookie(mut self, name: &str, value: &str) -> Self {
        self.cookies.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The path and the query.
    pub(super) fn place(&self) -> String {
        let query: Vec<_> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, query.join("&")) }
    }
}

impl Jar {
    /// Takes those that came with an answer.
    pub(super) fn keep(&mut self, headers: &HeaderMap) {
        let pairs = headers.get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
        let pairs = pairs.filter_map(|pair| pair.split_once('='));
        self.0.extend(pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())));
    }

    /// As a browser sends them.
    pub(super) fn header(&self) -> Option<String> {
        let pairs: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}
