//! The timeline on its way to the reader: plain lines, or on a terminal a panel below them that stays up to date.

use std::io::{self, IsTerminal, Write};

use super::timeline::{Line, Tone};

/// Where the timeline is shown.
#[derive(Debug)]
pub struct Screen {
    terminal: bool,
    /// How many lines of the panel stand below the timeline.
    drawn: usize,
}

impl Screen {
    /// The standard output.
    pub fn new() -> Self {
        Self { terminal: io::stdout().is_terminal(), drawn: 0 }
    }

    /// Prints `lines` and, on a terminal, redraws the panel below them.
    pub fn show(&mut self, lines: &[Line], panel: &[String]) -> io::Result<()> {
        let mut text = String::new();
        if self.drawn > 0 {
            // To the panel's first line, and away with all that is below.
            text.push_str(&format!("\x1b[{}A\r\x1b[J", self.drawn));
            self.drawn = 0;
        }
        for line in lines {
            let (before, after) = if self.terminal { colour(line.tone) } else { ("", "") };
            text.push_str(&format!("{before}{}{after}\n", line.text));
        }
        if self.terminal {
            for line in panel {
                text.push_str(&format!("{line}\n"));
            }
            self.drawn = panel.len();
        }
        if text.is_empty() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

fn colour(tone: Tone) -> (&'static str, &'static str) {
    match tone {
        Tone::Plain => ("", ""),
        Tone::Good => ("\x1b[32m", "\x1b[0m"),
        Tone::Bad => ("\x1b[31m", "\x1b[0m"),
    }
}
