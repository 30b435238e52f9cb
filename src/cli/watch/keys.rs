//! What keys do: nothing is written before somebody has said yes to a sentence that names the version.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tidegate_api::{Command, Phase, Rollout};

use crate::cli::command::Verb;

/// What a key stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Pressed {
    /// End it.
    Quit,
    /// Show so many lines further down, or up.
    Scroll(i16),
    /// Ask whether that is meant.
    Ask(Question),
    /// There is nothing to do that for, as the sentence says.
    InVain(String),
    /// Do what was asked.
    Yes(Question),
    /// Do not.
    No,
    /// Nothing.
    Nothing,
}

/// What is to be done, once somebody has said yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is done.
    pub wanted: Wanted,
    /// What it is about: the version, and the stage where one is left; nothing where it is about the Rollout.
    pub meant: Option<String>,
    /// What is asked.
    pub sentence: String,
}

/// What people do while they watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Approve at that gate.
    Approve(String),
    /// What a command of the command line does.
    Verb(Verb),
}

/// The keys that are told at the bottom of the screen.
pub const TOLD: &str = "p pause or resume   n next stage   a approve   x abort   r retry   ↑↓ scroll   q quit";

/// What `key` stands for while `question` is open, about the Rollout that is shown.
pub fn pressed(key: KeyEvent, question: Option<&Question>, rollout: Option<&Rollout>) -> Pressed {
    if key.kind == KeyEventKind::Release {
        return Pressed::Nothing;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char('c' | 'd')) {
        return Pressed::Quit;
    }
    if let Some(question) = question {
        return match key.code {
            KeyCode::Char('y' | 'Y') => Pressed::Yes(question.clone()),
            _ => Pressed::No,
        };
    }
    match (key.code, rollout) {
        (KeyCode::Char('q') | KeyCode::Esc, _) => Pressed::Quit,
        (KeyCode::Up | KeyCode::Char('k'), _) => Pressed::Scroll(-1),
        (KeyCode::Down | KeyCode::Char('j'), _) => Pressed::Scroll(1),
        (KeyCode::PageUp, _) => Pressed::Scroll(-10),
        (KeyCode::PageDown, _) => Pressed::Scroll(10),
        (KeyCode::Char(letter), Some(rollout)) => asked(letter, rollout),
        _ => Pressed::Nothing,
    }
}

fn asked(letter: char, rollout: &Rollout) -> Pressed {
    let status = rollout.status.clone().unwrap_or_default();
    let under_way = matches!(status.phase, Phase::Progressing | Phase::Held);
    let canary = status.canary.as_ref().filter(|_| under_way);
    let none = || Pressed::InVain("no version is on its way".to_owned());
    match letter {
        'p' => {
            let paused = !rollout.spec.paused;
            let does = if paused { "pause: nothing goes on by itself" } else { "resume: it goes on by itself" };
            ask(Wanted::Verb(Verb::Pause(paused)), None, does)
        }
        'n' => canary.map_or_else(none, |canary| {
            let stage = status.stage.as_ref().map_or("", |stage| &stage.name);
            let does = format!("leave stage {stage} with {canary}, without waiting for its evidence");
            ask(Wanted::Verb(Verb::Ask(Command::Promote)), Command::Promote.meant(&status).ok().as_ref(), &does)
        }),
        'x' => canary.map_or_else(none, |canary| {
            let does = format!("abort {canary}: all traffic goes back");
            ask(Wanted::Verb(Verb::Ask(Command::Abort)), Some(&canary.revision), &does)
        }),
        'r' => {
            let taken_back = status.taken_back.as_ref().map(|known| &known.revision);
            let failed = taken_back.or(status.failed.first().map(|failed| &failed.revision));
            failed.map_or_else(
                || Pressed::InVain("no version has failed".to_owned()),
                |revision| {
                    let does = format!("try {revision} again, which failed");
                    ask(Wanted::Verb(Verb::Ask(Command::Retry)), Some(revision), &does)
                },
            )
        }
        'a' => {
            let waits = |name: &str| rollout.spec.all_gates().any(|gate| gate.name == name && gate.approval.is_some());
            let gate = status.gates.iter().rfind(|gate| gate.state.is_open() && waits(&gate.name));
            gate.map_or_else(
                || Pressed::InVain("no gate waits for an approval".to_owned()),
                |gate| {
                    let does = format!("approve of {} at gate {}", gate.revision, gate.name);
                    ask(Wanted::Approve(gate.name.clone()), Some(&gate.revision), &does)
                },
            )
        }
        _ => Pressed::Nothing,
    }
}

fn ask(wanted: Wanted, meant: Option<&String>, does: &str) -> Pressed {
    let sentence = format!("{does}? y to do it, any other key not to");
    Pressed::Ask(Question { wanted, meant: meant.cloned(), sentence })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::status::tests::{rollout, two_stages, underway};

    fn key(letter: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE)
    }

    fn question(letter: char, rollout: &Rollout) -> Question {
        match pressed(key(letter), None, Some(rollout)) {
            Pressed::Ask(question) => question,
            other => panic!("{letter}: {other:?}"),
        }
    }

    #[test]
    fn each_question_names_the_version_and_the_stage_that_it_is_about() {
        let gate = json!({
            "name": "sign-off", "revision": "6b5d", "place": "after half", "state": "Waiting", "since": "2026-03-02T09:04:00Z",
            "message": "an approval",
        });
        let mut spec = two_stages();
        spec["stages"][1]["after"] = json!([{"name": "sign-off", "approval": {}}]);
        let rollout = rollout(spec, underway(json!({"gates": [gate]})));
        for (letter, meant, begins) in [
            ('n', "6b5d/half", "leave stage half with 6b5d (checkout:v2)"),
            ('x', "6b5d", "abort 6b5d (checkout:v2): all traffic goes back?"),
            ('a', "6b5d", "approve of 6b5d at gate sign-off?"),
        ] {
            let question = question(letter, &rollout);
            assert_eq!(question.meant.as_deref(), Some(meant));
            assert!(question.sentence.starts_with(begins), "{}", question.sentence);
        }
        assert_eq!(question('p', &rollout).wanted, Wanted::Verb(Verb::Pause(true)));
    }

    #[test]
    fn nothing_but_y_says_yes() {
        let rollout = rollout(two_stages(), underway(json!({})));
        let abort = question('x', &rollout);
        let answer = |code| pressed(KeyEvent::new(code, KeyModifiers::NONE), Some(&abort), Some(&rollout));
        assert_eq!(answer(KeyCode::Char('y')), Pressed::Yes(abort.clone()));
        for code in [KeyCode::Enter, KeyCode::Char('n'), KeyCode::Char('x'), KeyCode::Esc, KeyCode::Char(' ')] {
            assert_eq!(answer(code), Pressed::No, "{code:?}");
        }
    }

    #[test]
    fn where_there_is_nothing_to_do_it_is_said() {
        let rollout = rollout(two_stages(), json!({"phase": "Stable", "message": "it serves"}));
        for (letter, why) in [
            ('n', "no version is on its way"),
            ('x', "no version is on its way"),
            ('a', "no gate waits for an approval"),
            ('r', "no version has failed"),
        ] {
            assert_eq!(pressed(key(letter), None, Some(&rollout)), Pressed::InVain(why.to_owned()));
        }
        assert_eq!(pressed(key('x'), None, None), Pressed::Nothing, "a status that is not known is left alone");
    }
}
