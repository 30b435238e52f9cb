//! What ARCHITECTURE.md says of the code.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

/// Decisions and verdicts follow from what they are given. None of these is of that kind.
const PURE: [&str; 5] = ["api", "judge", "plan", "traffic", "workload"];
const IMPURE: &str = r"\b(tokio|tracing|reqwest|std::fs|Client)\b|\brand::|::now\(\)|\basync fn\b";

/// Every file of a module but its tests.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    files
        .filter(|path| !path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests")))
        .collect()
}

/// The code of a module, without its comments and tests.
fn code(module: &Path) -> String {
    let files = if module.is_dir() { files(module) } else { vec![module.to_owned()] };
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    let code = texts.map(|text| text.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
    let lines = code.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules that `code` names: `crate::a`, and `a` in `crate::{a, …}`.
fn named(code: &str) -> BTreeSet<String> {
    let one = Regex::new(r"crate::(\w+)").unwrap();
    let group = Regex::new(r"(?s)crate::\{(.*?)\n?\};").unwrap();
    let member = Regex::new(r"(?m)^    (\w+)|^(\w+)|, (\w+)::").unwrap();
    let mut names: BTreeSet<_> = one.captures_iter(code).map(|found| found[1].to_owned()).collect();
    for members in group.captures_iter(code) {
        let members = member.captures_iter(&members[1]).filter_map(|found| found.iter().skip(1).flatten().next());
        names.extend(members.map(|name| name.as_str().to_owned()));
    }
    names
}

fn modules() -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir("src").unwrap().map(|entry| entry.unwrap().path());
    let modules = entries.map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), path));
    modules.filter(|(name, _)| !["lib", "main"].contains(&name.as_str())).collect()
}

#[test]
fn the_modules_know_each_other_as_architecture_md_says() {
    let modules = modules();
    let known = |name: &String, path: &Path| -> String {
        let known: Vec<_> =
            named(&code(path)).into_iter().filter(|other| other != name && modules.contains_key(other)).collect();
        if known.is_empty() { name.clone() } else { format!("{name}: {}", known.join(" ")) }
    };
    let found: BTreeSet<_> = modules.iter().map(|(name, path)| known(name, path)).collect();
    let document = fs::read_to_string("ARCHITECTURE.md").unwrap();
    let picture = document.split("```").find(|part| part.starts_with("text\napi\n")).unwrap();
    let said: BTreeSet<_> = picture.lines().skip(1).map(str::to_owned).collect();
    assert_eq!(found, said);
}

#[test]
fn what_decides_knows_no_clock_no_chance_and_no_network() {
    let impure = Regex::new(IMPURE).unwrap();
    let modules = modules();
    for name in PURE {
        let code = code(&modules[name]);
        let found: Vec<_> = code.lines().filter(|line| impure.is_match(line)).collect();
        assert_eq!(found, Vec::<&str>::new(), "in {name}");
    }
}
