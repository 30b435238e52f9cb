//! A forecast for people.

use std::fmt::Write;

use tidegate_api::Span;
use tidegate_judge::{about, count};

use super::forecast::{CheckForecast, Forecast, StageForecast, TIMES, Today};
use crate::cli::columns::aligned;

/// The forecast as text.
pub fn printed(forecast: &Forecast) -> String {
    let mut text = format!("{}, by the traffic of the last {}\n\n", forecast.rollout, forecast.over);
    for today in &forecast.today {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", today_line(today));
    }
    let mut rows = vec![heading()];
    for stage in &forecast.stages {
        rows.extend(lines(stage, forecast.is_complete()));
    }
    let _ = write!(text, "\n{}", aligned(&rows));
    let whole = match forecast.healthy_release {
        Some(time) => format!("takes about {time}: each stage its bake or until there is enough evidence"),
        None if forecast.is_complete() => "never ends: a stage has never enough evidence".to_owned(),
        None => "takes nobody knows how long: a check has no numbers".to_owned(),
    };
    let _ = writeln!(text, "\na healthy release {whole}");
    for hint in &forecast.hints {
        let _ = writeln!(text, "hint: {hint}");
    }
    text
}

fn today_line(today: &Today) -> String {
    let Today { check, requests_per_hour, bad, bad_at_most, overdispersion, message } = today;
    match (message, requests_per_hour) {
        (Some(message), _) => format!("{check}: {message}"),
        (None, None) => format!("{check}: nothing counted"),
        (None, Some(requests)) => {
            let bad = bad.as_deref().unwrap_or("none");
            let most = bad_at_most.as_ref().map_or(String::new(), |most| {
                format!(" (up to {most}, as the limit lies between two histogram buckets)")
            });
            let together = overdispersion.unwrap_or(1.0);
            let requests = count(*requests);
            format!("{check}: {requests} requests an hour, {bad} bad{most}, about {together:.1} go bad together")
        }
    }
}

fn heading() -> Vec<String> {
    let fixed = ["STAGE", "WEIGHT", "CHECK", "REQUESTS/H", "NEEDS", "HEALTHY PASSES"].map(str::to_owned);
    let times = TIMES.map(|times| format!("{times}x LIMIT FAILS"));
    fixed.into_iter().chain(times).chain(["STAGE LASTS".to_owned()]).collect()
}

fn lines(stage: &StageForecast, is_complete: bool) -> Vec<Vec<String>> {
    let lasts = match stage.lasts {
        Some(lasts) if lasts > stage.bake => format!("{lasts} (evidence)"),
        Some(lasts) => format!("{lasts} (bake)"),
        None if is_complete => "no end".to_owned(),
        None => "unknown".to_owned(),
    };
    let head = [stage.stage.clone(), stage.weight.clone()];
    if stage.checks.is_empty() {
        let empty = std::iter::repeat_n("-".to_owned(), 4 + TIMES.len());
        return vec![head.into_iter().chain(empty).chain([lasts]).collect()];
    }
    let line = |(place, check): (usize, &CheckForecast)| {
        let head = if place == 0 { head.clone() } else { [String::new(), String::new()] };
        let last = if stage.slowest.as_ref() == Some(&check.check) { lasts.clone() } else { String::new() };
        head.into_iter().chain(numbers(check)).chain([last]).collect()
    };
    stage.checks.iter().enumerate().map(line).collect()
}

fn numbers(check: &CheckForecast) -> Vec<String> {
    let time = |time: &Option<Span>| time.map_or("never".to_owned(), |time| time.to_string());
    let needs = check.requests_to_pass.map_or("no end".to_owned(), about);
    let mut cells = vec![check.check.clone(), count(check.requests_per_hour), needs, time(&check.time_to_pass)];
    cells.extend(check.time_to_fail.iter().map(|(_, found)| time(found)));
    cells
}
