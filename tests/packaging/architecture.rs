//! What ARCHITECTURE.md says of the code.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use regex::Regex;

/// Decisions and verdicts follow from what they are given.
const PURE: [&str; 3] = ["api", "judge", "planner"];
/// Who depends on one of these can wait, ask the network, throw dice or write a log.
const FORBIDDEN: [&str; 9] =
    ["futures", "getrandom", "hyper", "kube-client", "kube-runtime", "rand", "reqwest", "tokio", "tracing"];
/// What the standard library and types of time would allow nevertheless, and `kube`, to which the rest of the workspace
/// lends a client.
const IMPURE: &str =
    r"\b(std::fs|std::net|std::env|Client|Api)\b|\bkube::(api|client|runtime)\b|::now\(\)|\basync fn\b";

/// The manifest of each crate, by its name without `tidegate-`.
fn manifests() -> Vec<(String, String)> {
    let folders = fs::read_dir("crates").unwrap().map(|entry| entry.unwrap().path());
    let name = |folder: &Path| folder.file_name().unwrap().to_string_lossy().into_owned();
    let root = ("tidegate".to_owned(), PathBuf::from("."));
    let all = folders.map(|folder| (name(&folder), folder)).chain([root]);
    all.map(|(name, folder)| (name, fs::read_to_string(folder.join("Cargo.toml")).unwrap())).collect()
}

/// The names under `[dependencies]`.
fn dependencies(manifest: &str) -> Vec<&str> {
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| !["", "#"].contains(name)).collect()
}

/// Every file of a crate but its tests.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    files
        .filter(|path| !path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests")))
        .collect()
}

/// The code of a crate, without its comments, and the tests at the ends of its files.
pub fn code(folder: &Path) -> String {
    let unit_tests = Regex::new(r"#\[cfg\(test\)\]\nmod \w+ \{").unwrap();
    let texts = files(folder).into_iter().map(|file| fs::read_to_string(file).unwrap());
    let code = texts.map(|text| unit_tests.split(&text).next().unwrap_or_default().to_owned());
    let lines = code.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_crates_know_each_other_as_architecture_md_says() {
    let known = |name: &str, manifest: &str| {
        let known: Vec<_> = dependencies(manifest).iter().filter_map(|name| name.strip_prefix("tidegate-")).collect();
        if known.is_empty() { name.to_owned() } else { format!("{name}: {}", known.join(" ")) }
    };
    let found: BTreeSet<_> = manifests().iter().map(|(name, manifest)| known(name, manifest)).collect();
    let document = fs::read_to_string("ARCHITECTURE.md").unwrap();
    let picture = document.split("```").find(|part| part.starts_with("text\napi\n")).unwrap();
    let said: BTreeSet<_> = picture.lines().skip(1).map(str::to_owned).collect();
    assert_eq!(found, said);
}

#[test]
fn what_decides_depends_on_no_runtime_no_client_no_chance_and_no_log() {
    for name in PURE {
        let package = format!("tidegate-{name}");
        let arguments =
            ["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--package", &package];
        let tree = Command::new(env::var_os("CARGO").unwrap()).args(arguments).output().unwrap();
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        let tree = String::from_utf8(tree.stdout).unwrap();
        let found: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(found.contains("serde_json"), "{tree}");
        assert_eq!(
            FORBIDDEN.iter().filter(|it| found.contains(*it)).collect::<Vec<_>>(),
            Vec::<&&str>::new(),
            "{name}"
        );
    }
}

#[test]
fn what_decides_knows_no_clock_no_chance_and_no_network() {
    let impure = Regex::new(IMPURE).unwrap();
    for name in PURE {
        let code = code(&Path::new("crates").join(name).join("src"));
        let found: Vec<_> = code.lines().filter(|line| impure.is_match(line)).collect();
        assert_eq!(found, Vec::<&str>::new(), "in {name}");
    }
}

/// The files of `plan` that each of them names, by their names.
fn neighbours() -> BTreeMap<String, BTreeSet<String>> {
    let folder = Path::new("crates/planner/src/plan");
    let name = |file: &Path| file.file_stem().unwrap().to_string_lossy().into_owned();
    let flat = files(folder).into_iter().filter(|file| file.parent() == Some(folder));
    let texts: BTreeMap<_, _> = flat.map(|file| (name(&file), fs::read_to_string(&file).unwrap())).collect();
    // What stands in braces on one line, or on several down to the brace that closes them, or one name alone.
    let imports = Regex::new(r"(?s)\bplan::(?:\{\n(.*?)\n(?:    )?\}|\{([^\n]*)\}|(\w+))").unwrap();
    let word = Regex::new(r"\w+").unwrap();
    let named = |of: &str, text: &str| {
        let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let code = format!("{}\n", code.join("\n"));
        let named = imports.captures_iter(&code).flat_map(|found| {
            let names = found.get(1).or(found.get(2)).or(found.get(3)).unwrap().as_str().to_owned();
            word.find_iter(&names).map(|it| it.as_str().to_owned()).collect::<Vec<_>>()
        });
        named.filter(|name| name != of && texts.contains_key(name)).collect::<BTreeSet<_>>()
    };
    // What holds them all together is known to all.
    texts.iter().filter(|(name, _)| *name != "mod").map(|(name, text)| (name.clone(), named(name, text))).collect()
}

#[test]
fn no_files_of_the_planner_know_each_other_in_a_circle() {
    let mut left = neighbours();
    assert!(left.values().map(BTreeSet::len).sum::<usize>() > 40, "{left:?}");
    // Whoever knows none of those that are left is in no circle.
    loop {
        let names: BTreeSet<_> = left.keys().cloned().collect();
        let before = left.len();
        left.retain(|_, known| known.iter().any(|name| names.contains(name)));
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "{left:#?}");
}
