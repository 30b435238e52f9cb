//! The words of a notice for one receiver: those that it has by itself, or what a template makes of it.

use std::io;

use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::Deserialize;

use super::{
    fitted::{Escape, cut, fitted, plain},
    notice::Notice,
};

/// So many steps a template may take: a loop over what a notice has takes a few hundred.
const FUEL: u64 = 20_000;
/// The longest text that a template may write: more than any receiver shows.
const LONGEST: usize = 16 << 10;
/// So much of a line is shown where it fails.
const SHOWN: usize = 60;
/// The longest template.
const LONGEST_SOURCE: usize = 8 << 10;

/// What the platform team writes instead of the usual words: `minijinja`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Template {
    /// What is told first.
    pub title: Option<String>,
    /// What is told then.
    pub text: Option<String>,
}

/// A text, as far as a receiver may take it for markup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// What happened, which is no markup whatever it looks like.
    Plain(String),
    /// What a template says in the markup of its receiver, with all values escaped.
    Markup(String),
}

impl Part {
    /// The text in markup, in at most `limit` UTF-16 units.
    #[must_use]
    pub fn markup(&self, limit: usize, escape: Escape) -> String {
        match self {
            Self::Plain(text) => fitted(text, limit, escape),
            Self::Markup(text) => cut(text, limit),
        }
    }

    /// The text where there is no markup.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Markup(text) => text,
        }
    }
}

/// What is told first and then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The first.
    pub title: Part,
    /// The rest.
    pub text: Part,
}

impl Words {
    /// The words that `notice` has without a template.
    #[must_use]
    pub fn usual(notice: &Notice) -> Self {
        Self { title: Part::Plain(notice.title()), text: Part::Plain(notice.message.clone()) }
    }

    /// What `template` makes of `notice`.
    ///
    /// # Errors
    /// Which of its two texts fails, and why.
    pub fn rendered(template: &Template, notice: &Notice, escape: Escape) -> Result<Self, String> {
        let usual = Self::usual(notice);
        // No service takes a text without a letter.
        let rendered = |name: &str, source: &Option<String>, escape: Escape| {
            let text = source.as_ref().map(|source| render(name, source, notice, escape)).transpose()?;
            Ok::<_, String>(text.filter(|text| !text.is_empty()))
        };
        // In most places where titles are shown, nothing is markup.
        let title = rendered("title", &template.title, plain)?.map_or(usual.title, Part::Plain);
        Ok(Self { title, text: rendered("text", &template.text, escape)?.map_or(usual.text, Part::Markup) })
    }
}

fn render(name: &str, source: &str, notice: &Notice, escape: Escape) -> Result<String, String> {
    if source.len() > LONGEST_SOURCE {
        return Err(format!("{name}: is longer than {} KiB", LONGEST_SOURCE >> 10));
    }
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    // Whatever comes out of a notice is escaped, also what a filter made of it: a template cannot forget it.
    environment.set_formatter(move |out, _, value: &Value| {
        if value.is_undefined() {
            return Err(minijinja::ErrorKind::UndefinedError.into());
        }
        let mut escaped = String::new();
        for letter in value.to_string().chars() {
            escape(&mut escaped, letter);
        }
        out.write_str(&escaped)?;
        Ok(())
    });
    let told = |error: &minijinja::Error| {
        let words = |line: usize| source.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
        let place = |line: usize| format!(" in line {line}: {}", cut(words(line), SHOWN));
        let line = error.line().map(place).unwrap_or_default();
        let why =
            error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
        format!("{name}: {why}{line}")
    };
    let template = environment.template_from_str(source).map_err(|error| told(&error))?;
    let mut page = Page(Vec::new());
    match template.render_captured_to(values(notice), &mut page) {
        Ok(_) => Ok(String::from_utf8_lossy(&page.0).trim().to_owned()),
        Err(_) if page.0.len() >= LONGEST => Err(format!("{name}: writes more than {} KiB", LONGEST >> 10)),
        Err(error) => Err(told(&error)),
    }
}

/// What templates know.
fn values(notice: &Notice) -> Value {
    context! {
        title => notice.title(),
        message => &notice.message,
        footer => notice.footer(),
        severity => notice.severity.to_string(),
        reason => &notice.reason,
        namespace => &notice.namespace,
        rollout => &notice.rollout,
        uid => &notice.uid,
        labels => &notice.labels,
        revision => &notice.revision,
        images => &notice.images,
        at => notice.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        id => &notice.id,
    }
}

/// What a template wrote, up to its end.
struct Page(Vec<u8>);

impl io::Write for Page {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        let left = LONGEST.saturating_sub(self.0.len());
        self.0.extend(written.iter().take(left));
        if written.len() > left { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(written.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn stars(text: &mut String, letter: char) {
        if letter == '*' {
            text.push('\\');
        }
        text.push(letter);
    }

    fn rendered(text: &str) -> Result<String, String> {
        let template = Template { title: None, text: Some(text.to_owned()) };
        let notice = Notice { message: "*all* <b>bad</b>".to_owned(), ..sample::notice("Reverted") };
        Words::rendered(&template, &notice, stars).map(|words| words.text.text().to_owned())
    }

    #[test]
    fn the_markup_of_a_template_stays_and_that_of_a_value_does_not() {
        assert_eq!(rendered("*{{ rollout }}* {{ message }}").unwrap(), r"*checkout* \*all\* <b>bad</b>");
        assert_eq!(rendered("{{ message|upper|safe }}").unwrap(), r"\*ALL\* <B>BAD</B>");
        assert_eq!(rendered("{% if labels.team == 'payments' %}pay{% endif %}").unwrap(), "pay");
    }

    #[test]
    fn a_template_that_fails_says_where_and_why() {
        let undefined = rendered("a\n{{ messsage }}").unwrap_err();
        assert!(
            undefined.starts_with("text: undefined value") && undefined.ends_with(" in line 2: {{ messsage }}"),
            "{undefined}"
        );
        let syntax = rendered("{{ message").unwrap_err();
        assert!(syntax.starts_with("text: syntax error"), "{syntax}");
        assert!(rendered("{{ labels.nobody }}").is_err());
        assert!(rendered("{{ message|shout }}").unwrap_err().contains("filter"));
    }

    #[test]
    fn a_template_that_never_ends_is_ended() {
        let endless = rendered("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}");
        assert!(endless.unwrap_err().contains("fuel"));
        let long = rendered("{% for a in range(9000) %}{{ message }}{% endfor %}");
        assert_eq!(long.unwrap_err(), "text: writes more than 16 KiB");
        assert_eq!(rendered(&" ".repeat(9000)).unwrap_err(), "text: is longer than 8 KiB");
    }

    #[test]
    fn a_title_is_no_markup_wherever_it_is_shown() {
        let template = Template { title: Some("*{{ message }}*".to_owned()), text: None };
        let notice = Notice { message: "*all*".to_owned(), ..sample::notice("Reverted") };
        let words = Words::rendered(&template, &notice, stars).unwrap();
        assert_eq!(words.title, Part::Plain("**all**".to_owned()));
        assert_eq!(words.title.markup(20, stars), r"\*\*all\*\*");
    }

    #[test]
    fn what_a_template_does_not_say_is_as_usual() {
        let notice = sample::notice("Reverted");
        let words = Words::rendered(&Template::default(), &notice, plain).unwrap();
        assert_eq!(words, Words::usual(&notice));
        assert_eq!(words.title.text(), "Failure: shop/checkout: Reverted");
    }
}
