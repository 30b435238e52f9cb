//! The timeline on its way to the reader: plain lines, or on a terminal a panel below them that stays up to date.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
};

use super::timeline::{Line, Tone};

/// Where the timeline is shown.
#[derive(Debug)]
pub struct Screen {
    terminal: bool,
    /// The panel that stands below the timeline.
    panel: Vec<String>,
}

impl Screen {
    /// The standard output.
    pub fn new() -> Self {
        Self { terminal: io::stdout().is_terminal(), panel: Vec::new() }
    }

    /// Prints `lines` and, on a terminal, draws the panel anew below them.
    pub fn show(&mut self, lines: &[Line], panel: Vec<String>) -> io::Result<()> {
        if lines.is_empty() && (!self.terminal || panel == self.panel) {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(self.text(lines, panel).as_bytes())?;
        out.flush()
    }

    fn text(&mut self, lines: &[Line], panel: Vec<String>) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        if !self.panel.is_empty() {
            // To the panel's first line, and away with all that is below.
            let _ = write!(text, "\x1b[{}A\r\x1b[J", self.panel.len());
        }
        for line in lines {
            let (before, after) = if self.terminal { colour(line.tone) } else { ("", "") };
            let _ = writeln!(text, "{before}{}{after}", line.text);
        }
        if self.terminal {
            self.panel = panel;
            for line in &self.panel {
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }
}

fn colour(tone: Tone) -> (&'static str, &'static str) {
    match tone {
        Tone::Plain => ("", ""),
        Tone::Good => ("\x1b[32m", "\x1b[0m"),
        Tone::Bad => ("\x1b[31m", "\x1b[0m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(terminal: bool) -> [String; 2] {
        let mut screen = Screen { terminal, panel: Vec::new() };
        let lines = [Line { tone: Tone::Good, text: "it goes on".to_owned() }];
        ["5%", "25%"].map(|panel| screen.text(&lines, vec![panel.to_owned()]))
    }

    #[test]
    fn on_a_terminal_the_panel_stays_below_the_timeline() {
        let line = "\x1b[32mit goes on\x1b[0m\n";
        assert_eq!(shown(true), [format!("{line}5%\n"), format!("\x1b[1A\r\x1b[J{line}25%\n")]);
    }

    #[test]
    fn elsewhere_there_are_plain_lines() {
        assert_eq!(shown(false), ["it goes on\n", "it goes on\n"]);
    }
}
