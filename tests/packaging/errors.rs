//! What goes wrong is told once: an error has its cause either in its text or as its source, and never both.

use std::{
    error::Error,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use regex::Regex;
use tidegate::cli::CrdError;
use tidegate_analysis::{ParameterError, QueryError, TemplateError, UnusableCheck};
use tidegate_api::{Causes, Percent, Span};
use tidegate_endpoints::{Endpoints, EndpointsError};
use tidegate_judge::InvalidLimit;
use tidegate_operator::{controller, serve::ServeError};
use tidegate_planner::traffic;
use tidegate_sim::{scenario::yaml::Mistake, simulation::SimulationError};

/// The texts of an error and of all that caused it.
fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    texts.extend(error.source().into_iter().flat_map(chain));
    texts
}

/// What a text says that one before it in the chain has said.
fn repeated(chain: &[String]) -> Option<&String> {
    chain
        .iter()
        .enumerate()
        .find(|(place, text)| chain[..*place].iter().any(|said| said.contains(*text)))
        .map(|it| it.1)
}

fn broken_pipe() -> io::Error {
    io::Error::other("the pipe is broken")
}

fn not_a_percentage() -> tidegate_api::UnitError {
    "a lot".parse::<Percent>().unwrap_err()
}

/// One of each kind of error that has another one as its cause, in its text or behind it.
fn samples() -> Vec<Box<dyn Error>> {
    let check = || "errors".to_owned();
    let limit = || InvalidLimit::Unit { check: check(), field: "max", why: not_a_percentage() };
    let parameter = || ParameterError::Unknown { template: check(), name: check(), near: String::new() };
    let unclosed = || QueryError::Template(TemplateError::Unclosed);
    let address = SocketAddr::from(([127, 0, 0, 1], 80));
    let json = serde_json::from_str::<u8>("[").unwrap_err();
    let call = controller::Error::api("delete Service checkout-canary")(kube::Error::ReadEvents(broken_pipe()));
    let refusal = tidegate_apiserver::Refusal::bad_request("the object has no name".to_owned());
    vec![
        Box::new(ServeError::Listen { address, source: broken_pipe() }),
        Box::new(ServeError::from(broken_pipe())),
        Box::new(call),
        Box::new(controller::CallError::from(kube::Error::Service(Box::new(broken_pipe())))),
        Box::new(EndpointsError::Read { file: PathBuf::from("/a.yaml"), source: broken_pipe() }),
        Box::new(Endpoints::parse("endpoints: 5", "a.yaml").unwrap_err()),
        Box::new(limit()),
        Box::new(QueryError::from(limit())),
        Box::new(QueryError::from(parameter())),
        Box::new(QueryError::OfStable(Box::new(unclosed()))),
        Box::new(UnusableCheck { check: check(), fault: unclosed() }),
        Box::new(traffic::UnusableRoute::new("HTTPRoute shop/checkout has no rules")),
        Box::new(SimulationError::from(broken_pipe())),
        Box::new(SimulationError::Refused { object: "Service checkout".to_owned(), refusal }),
        Box::new(SimulationError::from(Mistake::of("a.yaml", "is empty"))),
        Box::new(CrdError::from(json)),
        Box::new(not_a_percentage()),
        Box::new(QueryError::Timeout { endpoint: check(), after: Duration::from_secs(1) }),
        Box::new(QueryError::Stale { age: Span::seconds(90).duration() }),
    ]
}

#[test]
fn no_error_says_again_what_its_cause_says() {
    for error in samples() {
        let chain = chain(error.as_ref());
        assert_eq!(repeated(&chain), None, "{chain:?}");
        assert_eq!(Causes(error.as_ref()).to_string(), chain.join(": "));
    }
}

/// The Rust files below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    below.filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

/// Of one variant: the sentence with its arguments, and the fields behind it.
fn sentences(text: &str) -> Vec<(String, String)> {
    let attribute = r"(?s)#\[error\((.*?)\)\]\s*(?:pub )?(?:struct |enum )?";
    let fields = r"(\w+\s*(?:\{[^{}]*\}|\((?:[^()]|\([^()]*\))*\))?)";
    let attribute = Regex::new(&format!("{attribute}{fields}")).unwrap();
    attribute.captures_iter(text).map(|found| (found[1].to_owned(), found[2].to_owned())).collect()
}

/// Whether `sentence` shows what `fields` have as the source.
fn shows_its_source(sentence: &str, fields: &str) -> bool {
    let named = Regex::new(r"(?s)#\[(?:source|from)\]\s*(?:pub\s+)?(\w+)\s*:[^:]").unwrap();
    let name = named.captures(fields).map(|found| found[1].to_owned());
    let name = name.or_else(|| Regex::new(r"\bsource\s*:").unwrap().is_match(fields).then(|| "source".to_owned()));
    let unnamed = Regex::new(r"\(\s*#\[(?:source|from)\]").unwrap().is_match(fields).then(|| "0".to_owned());
    name.or(unnamed)
        .is_some_and(|field| Regex::new(&format!(r"\{{{field}[:}}]|[ .]{field}\b")).unwrap().is_match(sentence))
}

/// Where the sources show an error's source in its text.
fn told_twice(root: &Path) -> Vec<String> {
    let (mut found, mut read) = (Vec::new(), 0);
    for file in ["src", "crates"].iter().flat_map(|folder| sources(&root.join(folder))) {
        let text = fs::read_to_string(&file).unwrap();
        for (sentence, fields) in sentences(&text) {
            read += 1;
            if shows_its_source(&sentence, &fields) {
                found.push(format!("{}: {sentence}", file.display()));
            }
        }
    }
    assert!(read > 60, "only {read} sentences of errors were found");
    found
}

#[test]
fn no_error_type_has_its_source_in_its_sentence() {
    let found = told_twice(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_sentence_that_shows_its_source_is_found() {
    let text = r#"
        #[error("{doing}: {source}")]
        Api { doing: String, source: Box<kube::Error> },
        #[error("broken: {0}")]
        Serve(#[from] io::Error),
        #[error("cannot listen; choose another")]
        Listen { source: io::Error },
        #[error(transparent)]
        Mistake(#[from] Mistake),
        #[error("{object}: {refusal}")]
        Refused { object: String, refusal: Refusal },
    "#;
    let found: Vec<_> = sentences(text).iter().map(|(sentence, fields)| shows_its_source(sentence, fields)).collect();
    assert_eq!(found, [true, true, false, false, false]);
}

/// What a command says on its standard error when it cannot do what it was asked.
fn complaint(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let output = command.args(arguments).env("KUBECONFIG", "/nonexistent").output().unwrap();
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap().trim().to_owned()
}

#[test]
fn no_command_says_the_same_twice() {
    let root = env!("CARGO_MANIFEST_DIR");
    let rollout = format!("{root}/examples/minimal/checkout.yaml");
    for arguments in [
        &["plan", &rollout, "--endpoints", "/nonexistent.yaml"][..],
        &["backtest", &rollout, "--endpoints", "/nonexistent.yaml"],
        &["plan", "/nonexistent.yaml", "--prometheus", "http://a"],
        &["lint", "/nonexistent.yaml"],
        &["simulate", "/nonexistent.yaml", "--scenario", "/nonexistent.yaml"],
        &["wait", "checkout"],
        &["run", "--listen", "127.0.0.1:0"],
        &["run", "--listen", "192.0.2.1:80"],
    ] {
        let said = complaint(arguments);
        let parts: Vec<_> = said.split(": ").collect();
        let again = parts.iter().enumerate().find(|(place, part)| part.len() > 3 && parts[..*place].contains(part));
        assert!(!said.is_empty() && again.is_none(), "{arguments:?}: {said}");
    }
}
