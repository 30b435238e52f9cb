//! Which of several presets that fit is taken, and why.

use tidegate_api::Preset;

use super::Fitting;
use crate::presets;

/// A preset that counts less than this part of the requests that another one counts is not the one that is meant: such as that
/// of a server beside the real one, for health checks.
const FEW: f64 = 0.5;

/// What is asked of a preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The question is which requests failed, and not how long they take.
    pub(crate) errors: bool,
    /// Other checks ask the other.
    pub(crate) both: bool,
}

impl Asked {
    fn is_answered(self, fitting: &Fitting) -> bool {
        if self.errors { fitting.errors.is_ok() } else { fitting.histogram.is_some() }
    }
}

/// A preset, and why it is that one: the rest of a sentence that begins with its name and "which".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) preset: Preset,
    pub(crate) reason: String,
}

/// The one of `fitting`, which are in their order, that is taken for `asked`; nothing where none answers it.
///
/// Those that count most requests come first, so that a health server is not taken for the application; of those, the ones that
/// answer all that the checks ask, so that errors and latencies are of the same requests; of those, the first.
pub(crate) fn choose(asked: Asked, fitting: &[Fitting]) -> Option<Choice> {
    let answer: Vec<_> = fitting.iter().filter(|fitting| asked.is_answered(fitting)).collect();
    let most = answer.iter().filter_map(|fitting| fitting.requests).fold(0.0, f64::max);
    let counts_most = |fitting: &&&Fitting| fitting.requests.is_none_or(|requests| requests >= FEW * most);
    let busy: Vec<_> = answer.iter().filter(counts_most).copied().collect();
    let is_whole = |fitting: &&&Fitting| !asked.both || fitting.errors.is_ok() && fitting.histogram.is_some();
    let whole: Vec<_> = busy.iter().filter(is_whole).copied().collect();
    let left = if whole.is_empty() { &busy } else { &whole };
    let taken = *left.first()?;
    let others: Vec<_> = answer.iter().filter(|other| other.preset != taken.preset).collect();
    let reason = match others.as_slice() {
        [] => format!("reads {}, which the pods expose", taken.metrics.join(" and ")),
        others => {
            let names: Vec<_> = others.iter().map(|other| other.preset.to_string()).collect();
            let why = match left.as_slice() {
                [_] if busy.len() == 1 => "counts most of the requests".to_owned(),
                [_] => "has both counters and a histogram".to_owned(),
                _ => presets::before_others(taken.preset).to_owned(),
            };
            format!("reads {} and {why}; {} would fit as well", taken.metrics.join(" and "), names.join(", "))
        }
    };
    Some(Choice { preset: taken.preset, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{discovery::ExposedHistogram, error::QueryError};

    const BOTH: Asked = Asked { errors: true, both: true };

    fn fits(preset: Preset, requests: f64, has_histogram: bool) -> Fitting {
        let metrics = vec![preset.to_string()];
        let histogram = has_histogram.then(|| ExposedHistogram::Classic(vec![0.5]));
        Fitting { preset, metrics, errors: Ok(()), requests: Some(requests), histogram }
    }

    fn taken(asked: Asked, fitting: &[Fitting]) -> Option<(Preset, String)> {
        choose(asked, fitting).map(|choice| (choice.preset, choice.reason))
    }

    #[test]
    fn the_only_one_that_fits_is_taken() {
        let (preset, reason) = taken(BOTH, &[fits(Preset::Django, 10.0, true)]).unwrap();
        assert_eq!((preset, reason.as_str()), (Preset::Django, "reads django, which the pods expose"));
        assert_eq!(taken(BOTH, &[]), None);
    }

    #[test]
    fn of_several_that_count_the_same_requests_the_first_is_taken_and_the_others_are_told() {
        let (preset, reason) =
            taken(BOTH, &[fits(Preset::Istio, 100.0, true), fits(Preset::PodHttp, 99.0, true)]).unwrap();
        assert_eq!(preset, Preset::Istio);
        assert_eq!(
            reason,
            "reads istio and counts beside the pods, and so also what the application never answers; pod-http would fit as well"
        );
    }

    #[test]
    fn a_server_for_health_checks_is_not_taken_for_the_application() {
        let all = [fits(Preset::PodHttp, 3.0, true), fits(Preset::Grpc, 900.0, true)];
        let (preset, reason) = taken(BOTH, &all).unwrap();
        assert_eq!(preset, Preset::Grpc);
        assert!(reason.contains("counts most of the requests; pod-http would fit as well"), "{reason}");
    }

    #[test]
    fn errors_and_latencies_are_of_the_same_requests_where_one_preset_has_both() {
        let all = [fits(Preset::Micrometer, 100.0, false), fits(Preset::PodHttp, 100.0, true)];
        let latency = Asked { errors: false, both: true };
        assert_eq!([BOTH, latency].map(|asked| taken(asked, &all).unwrap().0), [Preset::PodHttp; 2]);
        let alone = Asked { errors: true, both: false };
        assert_eq!(taken(alone, &all).unwrap().0, Preset::Micrometer);
    }

    #[test]
    fn what_does_not_answer_is_not_taken() {
        let mut unknown = fits(Preset::PodHttp, 100.0, true);
        unknown.errors = Err(QueryError::NoStatusLabel { labels: "code".to_owned() });
        assert_eq!(taken(BOTH, &[unknown.clone()]), None);
        assert_eq!(taken(Asked { errors: false, both: true }, &[unknown]).unwrap().0, Preset::PodHttp);
    }
}
