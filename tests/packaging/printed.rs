//! What README and docs print below a command is what the command prints.

use std::{
    env, fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::Mutex,
};

/// Set by `make printed`: the documents are written instead of compared.
const REWRITE: &str = "TIDEGATE_WRITE_PRINTED";

/// Tests of one process may write the same document.
static WRITING: Mutex<()> = Mutex::new(());

/// README and all pages of the documentation.
pub fn documents() -> Vec<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["", "docs", "docs/reference", "docs/runbooks"].map(|folder| repository.join(folder));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut documents: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    documents.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.sort();
    assert!(documents.len() >= 5, "{documents:?}");
    documents
}

/// A command in a document, and where its answer stands.
#[derive(Debug)]
struct Printed {
    /// In one line, without the prompt.
    command: String,
    answer: Range<usize>,
}

/// The commands in the `console` blocks of `text`.
fn printed(text: &str) -> Vec<Printed> {
    let mut all: Vec<Printed> = Vec::new();
    let (mut inside, mut continues, mut at) = (false, false, 0);
    for line in text.split_inclusive('\n') {
        let (start, bare) = (at, line.trim_end());
        at += line.len();
        match all.last_mut() {
            _ if !inside => {
                inside = bare == "```console";
                continue;
            }
            Some(last) if continues => last.command = format!("{} {}", last.command, bare.trim_start()),
            _ if bare == "```" => {
                inside = false;
                continue;
            }
            _ if bare.starts_with("$ ") => all.push(Printed { command: bare[2..].to_owned(), answer: at..at }),
            Some(last) => {
                if !bare.is_empty() {
                    last.answer.end = start + bare.len();
                }
                continue;
            }
            None => panic!("a block of the console begins without a command: {line}"),
        }
        let last = all.last_mut().unwrap();
        continues = last.command.ends_with('\\');
        last.command = last.command.trim_end_matches('\\').trim_end().to_owned();
        last.answer = at..at;
    }
    all
}

/// Holds what stands below every command that begins with one of `starts` against `answer`, which gets the document
/// and the arguments; `same` says whether the two are alike. Says how many commands there were.
pub fn hold(
    starts: &[&str],
    same: impl Fn(&str, &str) -> bool,
    mut answer: impl FnMut(&Path, &[&str]) -> String,
) -> usize {
    let _alone = WRITING.lock().unwrap();
    let (mut count, mut wrong) = (0, Vec::new());
    for document in documents() {
        let mut text = fs::read_to_string(&document).unwrap();
        for Printed { command, answer: place } in printed(&text).into_iter().rev() {
            if !starts.iter().any(|start| command.starts_with(start)) {
                continue;
            }
            count += 1;
            let words: Vec<_> = command.split_whitespace().collect();
            let found = answer(&document, &words[1..]);
            let found = found.trim_end();
            if same(&text[place.clone()], found) {
                continue;
            }
            wrong.push(format!(
                "{}: below `{command}` stands\n{}\nand it prints\n{found}",
                document.display(),
                &text[place.clone()]
            ));
            text.replace_range(place, found);
        }
        if env::var_os(REWRITE).is_some() {
            fs::write(&document, text).unwrap();
            wrong.clear();
        }
    }
    assert!(wrong.is_empty(), "{}\nmake printed writes what is printed", wrong.join("\n\n"));
    count
}

#[test]
fn a_command_is_found_with_its_answer_and_the_lines_that_it_goes_on_over() {
    let text = "```sh\n$ not this\n```\n```console\n$ one \\\n    --two\na\n\nb\n\n$ three\n```\n$ nor this\n";
    let found: Vec<_> = printed(text).into_iter().map(|it| (it.command, text[it.answer].to_owned())).collect();
    assert_eq!(found, [("one --two".to_owned(), "a\n\nb".to_owned()), ("three".to_owned(), String::new())]);
}
