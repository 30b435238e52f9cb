//! The screen: a pure function of what was seen and the time.

use jiff::Timestamp;
use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};
use tidegate_api::{CheckStatus, Percent, Phase, Rollout, RolloutStatus, Verdict};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{
    keys,
    live::View,
    seen::Seen,
    track::{Station, stations},
};
use crate::cli::{columns::aligned, moments, plain::plain, stage_clock, status};

/// How wide a bar is, in letters.
const BAR: usize = 40;

/// How many values of a check are shown beside it.
const TREND: usize = 24;

/// What something is, for whoever sees colours; signs and words say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Plain,
    Good,
    Bad,
    Waits,
    Faint,
    Strong,
}

impl Tone {
    /// Blue, yellow and red are told apart by nearly everybody who does not see all colours. Plain blue is hard to read on black.
    fn style(self, coloured: bool) -> Style {
        let style = match self {
            Self::Plain => Style::new(),
            Self::Good => Style::new().fg(Color::LightBlue),
            Self::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            Self::Waits => Style::new().fg(Color::Yellow),
            Self::Faint => Style::new().add_modifier(Modifier::DIM),
            Self::Strong => Style::new().add_modifier(Modifier::BOLD),
        };
        if coloured { style } else { Style { fg: None, ..style } }
    }
}

/// A line that has been said how it is meant.
type Told = Vec<(Tone, String)>;

/// Draws what is known; the keys, or the open question, stand at the bottom. Returns how many lines there are below the screen when
/// nothing is scrolled.
pub fn draw(frame: &mut Frame<'_>, view: &View, now: Timestamp) -> u16 {
    let (width, height) = (usize::from(frame.area().width), frame.area().height);
    let bottom = bottom(view, now, width);
    // A question has to be read to its end; half of the screen is enough for all else.
    let most = if view.question.is_some() { height } else { height.div_ceil(2) };
    let foot = u16::try_from(bottom.len()).unwrap_or(u16::MAX).min(most);
    let [body, foot] = Layout::vertical([Constraint::Min(0), Constraint::Length(foot)]).areas(frame.area());
    let lines: Vec<_> = told(view, now, width).into_iter().map(|line| styled(line, view.coloured)).collect();
    let hidden = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_sub(body.height);
    frame.render_widget(Paragraph::new(lines).scroll((view.scroll.min(hidden), 0)), body);
    let bottom: Vec<_> = bottom.into_iter().map(|line| styled(line, view.coloured)).collect();
    frame.render_widget(Paragraph::new(bottom), foot);
    hidden
}

fn styled(line: Told, coloured: bool) -> Line<'static> {
    let span = |(tone, text): (Tone, String)| Span::styled(plain(&text).into_owned(), tone.style(coloured));
    Line::from(line.into_iter().map(span).collect::<Vec<_>>())
}

fn bottom(view: &View, now: Timestamp, width: usize) -> Vec<Told> {
    let toned = |tone, text: &str| broken(text, width).into_iter().map(move |line| vec![(tone, line)]);
    if let Some(question) = &view.question {
        return toned(Tone::Strong, &question.sentence).collect();
    }
    let trouble = view.trouble.as_ref().map(|(since, why)| {
        let ago = moments::since(*since, now);
        (Tone::Bad, format!("the cluster has not answered for {ago}, what stands here is as old: {why}"))
    });
    let said = view.said.clone().map(|said| (Tone::Strong, said));
    let keys = Some((Tone::Faint, keys::TOLD.to_owned()));
    [trouble, said, keys].into_iter().flatten().flat_map(|(tone, text)| toned(tone, &text)).collect()
}

fn told(view: &View, now: Timestamp, width: usize) -> Vec<Told> {
    let name = format!("Rollout {}/{}", view.namespace, view.name);
    match &view.seen {
        Seen::Known(rollout) => known(view, rollout, (&name, now), width),
        Seen::Newer { phase, message, why } => {
            let head = vec![(Tone::Strong, name), (Tone::Plain, format!("  {phase}"))];
            let note = format!("its status is of a newer version of Tidegate than this one: {why}");
            [vec![head], wrapped(message, width), vec![Vec::new()], wrapped(&note, width)].concat()
        }
    }
}

fn known(view: &View, rollout: &Rollout, (name, now): (&str, Timestamp), width: usize) -> Vec<Told> {
    let status = rollout.status.clone().unwrap_or_default();
    let paused = if rollout.spec.paused { ", paused" } else { "" };
    let (tone, sign) = phase(status.phase);
    let head = vec![
        (Tone::Strong, name.to_owned()),
        (tone, format!("  {sign} {:?}{paused}", status.phase)),
        (Tone::Faint, format!("  {now:.0}")),
    ];
    let length: usize = head.iter().map(|(_, text)| text.width()).sum();
    let mut lines =
        if length <= width { vec![head] } else { head.into_iter().map(|part| vec![trimmed(part)]).collect() };
    lines.extend(wrapped(status::screen::sentence(&status), width));
    let mut part = |mut more: Vec<Told>| {
        if !more.is_empty() {
            lines.push(Vec::new());
            lines.append(&mut more);
        }
    };
    part([track(rollout, width), weights(rollout, &status, width)].concat());
    let mut facts = status::screen::facts(rollout, &status, now);
    facts.extend(stage_clock::left(rollout, now).map(|left| {
        vec!["left".to_owned(), format!("{left} at least until it serves alone; gates and hours come on top")]
    }));
    part(lined(&aligned(&facts), width));
    part(checks(view, &status, width));
    part(lined(&status::screen::gates(&status, now), width));
    part(pods(view, now, width));
    part(lined(&status::screen::history(&status, usize::MAX, now), width));
    lines
}

/// A part of a line, for a line of its own.
fn trimmed((tone, text): (Tone, String)) -> (Tone, String) {
    (tone, text.trim_start().to_owned())
}

fn phase(phase: Phase) -> (Tone, char) {
    match phase {
        Phase::Stable => (Tone::Good, '✓'),
        Phase::Reverting | Phase::Reverted => (Tone::Bad, '✗'),
        Phase::Held | Phase::Pending => (Tone::Waits, '‖'),
        Phase::Progressing | Phase::Promoting | Phase::Adopting | Phase::HandingBack => (Tone::Strong, '●'),
    }
}

/// The stages one after the other, in as many lines as it takes.
fn track(rollout: &Rollout, width: usize) -> Vec<Told> {
    let (mut lines, mut line, mut used): (Vec<Told>, Told, usize) = (Vec::new(), Vec::new(), 0);
    for (station, stage) in stations(rollout) {
        let tone = match station {
            Station::Passed => Tone::Good,
            Station::Here => Tone::Strong,
            Station::Failed => Tone::Bad,
            Station::Ahead => Tone::Faint,
        };
        let text = format!("{} {} {}", station.sign(), stage.name, stage.weight);
        let between = if line.is_empty() { "" } else { " ── " };
        let length = text.chars().count() + between.chars().count();
        if used > 0 && used + length > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if !line.is_empty() {
            line.push((Tone::Faint, between.to_owned()));
        }
        used += length;
        line.push((tone, text));
    }
    lines.push(line);
    lines
}

/// The weight that the stage asks for, and the one that is in force, as bars; nothing where no version is on its way.
fn weights(rollout: &Rollout, status: &RolloutStatus, width: usize) -> Vec<Told> {
    let Some(stage) = &status.stage else { return Vec::new() };
    let asked = if status.phase == Phase::Reverting {
        Percent::ZERO
    } else {
        rollout.spec.stages().iter().find(|spec| spec.name == stage.name).map_or(stage.weight, |spec| spec.weight)
    };
    let bar = |name: &str, weight: Percent, tone| {
        let cells = BAR.min(width.saturating_sub(20));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and the width")]
        let full = (weight.fraction() * cells as f64).round().clamp(0.0, cells as f64) as usize;
        let (full, rest) = ("█".repeat(full), "░".repeat(cells - full));
        vec![
            (Tone::Plain, format!("{name:<10}")),
            (tone, full),
            (Tone::Faint, rest),
            (Tone::Plain, format!(" {weight}")),
        ]
    };
    vec![bar("asked for", asked, Tone::Faint), bar("in force", stage.weight_in_force, Tone::Good)]
}

/// Each check with how its value went, up to its limit.
fn checks(view: &View, status: &RolloutStatus, width: usize) -> Vec<Told> {
    if status.checks.is_empty() {
        return Vec::new();
    }
    let heads = ["CHECK", "VERDICT", "VALUE", "LIMIT", "TREND", "RANGE", "NEEDS"].map(str::to_owned).to_vec();
    let row = |check: &CheckStatus| {
        let cell = |text: &Option<String>| text.clone().unwrap_or_default();
        let trend = view.trends.bars(&check.name, check.limit.as_deref(), TREND);
        let verdict = format!("{} {:?}", verdict(check).1, check.verdict);
        let needs = status::screen::needs(check);
        vec![check.name.clone(), verdict, cell(&check.value), cell(&check.limit), trend, cell(&check.range), needs]
    };
    let rows: Vec<_> = status.checks.iter().map(row).collect();
    let lines = aligned(&[vec![heads], rows].concat());
    let tones = std::iter::once(Tone::Faint).chain(status.checks.iter().map(|check| verdict(check).0));
    let told = |(line, tone)| hanging(line, width).into_iter().map(move |line| vec![(tone, line)]);
    lines.lines().zip(tones).flat_map(told).collect()
}

/// The pods by name, those that are not ready first.
fn pods(view: &View, now: Timestamp, width: usize) -> Vec<Told> {
    let row = |(is_ready, line): (Option<bool>, String)| {
        let tone = match is_ready {
            Some(true) => Tone::Plain,
            Some(false) => Tone::Bad,
            None => Tone::Faint,
        };
        hanging(line.trim_end(), width).into_iter().map(move |line| vec![(tone, line)])
    };
    super::pods::told(&view.pods, now).into_iter().flat_map(row).collect()
}

fn verdict(check: &CheckStatus) -> (Tone, char) {
    match check.verdict {
        Verdict::Pass if check.warning => (Tone::Waits, '!'),
        Verdict::Pass => (Tone::Good, '✓'),
        Verdict::Fail => (Tone::Bad, '✗'),
        Verdict::NeedMoreData => (Tone::Waits, '…'),
        Verdict::NoData => (Tone::Waits, '?'),
    }
}

fn lined(text: &str, width: usize) -> Vec<Told> {
    text.lines().flat_map(|line| hanging(line, width)).map(|line| vec![(Tone::Plain, line)]).collect()
}

/// A row of a table in as many lines as it takes: what its last column has no place for stands below it.
fn hanging(row: &str, width: usize) -> Vec<String> {
    if row.width() <= width {
        return vec![row.to_owned()];
    }
    let last = row.rfind("  ").map_or(0, |at| at + 2);
    let (first, rest) = row.split_at(last);
    let indent = first.width();
    if indent == 0 || indent > width / 2 {
        return broken(row, width);
    }
    let below = " ".repeat(indent);
    let lines = broken(rest, width - indent).into_iter().enumerate();
    lines.map(|(place, line)| format!("{}{line}", if place == 0 { first } else { &below })).collect()
}

fn wrapped(text: &str, width: usize) -> Vec<Told> {
    broken(text, width).into_iter().map(|line| vec![(Tone::Plain, line)]).collect()
}

/// `text` in lines of at most `width` letters, broken between words where there are any.
fn broken(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for word in plain(text).split(' ') {
        for (place, piece) in pieces(word, width).into_iter().enumerate() {
            let Some(line) = lines.last_mut() else { continue };
            let used = line.width();
            let space = usize::from(place == 0 && used > 0);
            if used > 0 && (place > 0 || used + space + piece.width() > width) {
                lines.push(piece);
            } else {
                line.push_str(&" ".repeat(space));
                line.push_str(&piece);
            }
        }
    }
    lines
}

/// A word in as many pieces as it takes to be no longer than `width`; some letters are two columns wide.
fn pieces(word: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for letter in word.chars() {
        match pieces.last_mut() {
            Some(piece) if piece.is_empty() || piece.width() + letter.width().unwrap_or(0) <= width => {
                piece.push(letter);
            }
            _ => pieces.push(letter.to_string()),
        }
    }
    pieces
}
