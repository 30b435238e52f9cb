use promql_parser::parser::{Expr, parse};
use proptest::prelude::*;
use tidegate_api::{Parameter, ParameterValues};

use super::*;

fn revision(replica_set: &str) -> RevisionStatus {
    RevisionStatus { revision: "7f9c6b54d".to_owned(), replica_set: replica_set.to_owned(), ..Default::default() }
}

/// What `template` becomes, with parameters that all have the value of their type.
fn filled(template: &str, values: &[(&str, ParameterType, &str)]) -> Result<String, TemplateError> {
    let declared: Vec<_> = values
        .iter()
        .map(|(name, type_, _)| Parameter { name: (*name).to_owned(), description: None, type_: *type_, default: None })
        .collect();
    let given = values.iter().map(|(name, _, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let parameters = Parameters::bind("it", &declared, Some(&ParameterValues(given))).unwrap();
    let (names, revision) = (Names::of("check.out"), revision("check.out-7f9c6b54d"));
    let scope = Scope {
        namespace: "shop",
        rollout: "checkout",
        service: "check.out",
        backends: Some(Backends { names: &names, canary: &revision }),
        revision: &revision,
        window: Span::seconds(90),
        parameters: &parameters,
    };
    render(template, &scope)
}

fn rendered(template: &str) -> Result<String, TemplateError> {
    filled(template, &[])
}

#[test]
fn a_value_is_escaped_for_where_it_stands() {
    for (template, query) in [
        (r#"x{service="{{service}}"}"#, r#"x{service="check.out"}"#),
        (r#"x{service=~"{{ service }}|a"}"#, r#"x{service=~"check\\.out|a"}"#),
        (r"x{service=~`{{service}}`}", r"x{service=~`check\.out`}"),
        (r#"x{service="{{backend}}"}"#, r#"x{service="check.out-canary"}"#),
        (r#"x{pod=~"{{pods}}"}"#, r#"x{pod=~"check\\.out-7f9c6b54d-[a-z0-9]{5}"}"#),
        (r"rate(x{r!~'a\'{{revision}}'}[{{window}}])", r"rate(x{r!~'a\'7f9c6b54d'}[1m30s])"),
        ("x # {{rollout}} \"\n+ 1", "x #  \"\n+ 1"),
        ("x{a=\"never closed", "x{a=\"never closed"),
    ] {
        assert_eq!(rendered(template).as_deref(), Ok(query));
    }
}

#[test]
fn a_parameter_is_written_by_its_type() {
    use ParameterType::{Duration, Name, Number, Pattern, Text};
    for (template, type_, value, query) in [
        (r#"x{a="{{it}}"}"#, Text, "1.5\"", r#"x{a="1.5\""}"#),
        (r#"x{a=~"{{it}}"}"#, Text, "1.5", r#"x{a=~"1\\.5"}"#),
        (r#"x{a=~"b|{{it}}"}"#, Pattern, r"5..|\d", r#"x{a=~"b|(?:5..|\\d)"}"#),
        (r#"x{{{it}}="1"}"#, Name, "code", r#"x{code="1"}"#),
        (r#"{{it}}{a="1"}"#, Name, "up", r#"up{a="1"}"#),
        (r#"x{a=~"[0-9]{{{it}}}"}"#, Number, "3", r#"x{a=~"[0-9]{3}"}"#),
        ("x > {{it}}", Number, "-0.5", "x > -0.5"),
        (r#"x{a=~"{{it}}"}"#, Number, "0.5", r#"x{a=~"0\\.5"}"#),
        ("rate(x[{{it}}])", Duration, "90s", "rate(x[1m30s])"),
    ] {
        assert_eq!(filled(template, &[("it", type_, value)]).as_deref(), Ok(query));
    }
}

#[test]
fn what_cannot_be_filled_in_is_refused_with_a_sentence() {
    for (template, sentence) in [
        (r#"x{a="{{pod}}"}"#, "there is no variable {{pod}}; did you mean {{pods}}?"),
        (r#"x{a="{{name_space}}"}"#, "there is no variable {{name_space}}; did you mean {{namespace}}?"),
        (r#"x{a="{{rout}}"}"#, "there is no variable {{rout}}; did you mean {{route}}?"),
        (r#"x{pod="{{pods}}"}"#, "{{pods}} is a regular expression: match it with =~ or !~"),
        ("sum({{service}})", "{{service}} must stand inside quotes"),
        ("x{a={{route}}}", "{{route}} must stand inside quotes"),
        (r#"x{a="{{pods"}"#, "a variable that begins with {{ does not end with }}"),
        ("x{a=`{{route}}`}", "the value of {{route}} cannot stand between backticks; use double quotes"),
    ] {
        let parameters = [("route", ParameterType::Text, "a`")];
        assert_eq!(filled(template, &parameters).unwrap_err().to_string(), sentence);
    }
}

#[test]
fn without_a_route_no_service_tells_the_versions_apart() {
    let revision = revision("a");
    let scope = Scope {
        namespace: "n",
        rollout: "r",
        service: "s",
        backends: None,
        revision: &revision,
        window: Span::seconds(60),
        parameters: Parameters::NONE,
    };
    let error = render(r#"x{service="{{backend}}"}"#, &scope).unwrap_err();
    assert!(error.to_string().starts_with("{{backend}} needs spec.traffic"), "{error}");
}

proptest! {
    #[test]
    fn no_text_leaves_its_quotes(text in r#"(\PC|["'`\\{}\n#]|\}\}|\{\{pods\}\}){0,40}"#) {
        let written = |template: &str| filled(template, &[("it", ParameterType::Text, &text)]);
        for template in [r#"x{a="{{it}}"}"#, r"x{a='{{it}}'}", r#"x{a=~"{{it}}"}"#] {
            let query = written(template).unwrap();
            let Ok(Expr::VectorSelector(selector)) = parse(&query) else {
                return Err(TestCaseError::fail(query));
            };
            prop_assert_eq!(selector.matchers.matchers.len(), 1);
            if !template.contains("=~") {
                prop_assert_eq!(&selector.matchers.matchers[0].value, &text);
            }
        }
        // Between backticks nothing is escaped, and nothing but a backtick ends the text.
        let raw = written("x{a=`{{it}}`}");
        prop_assert_eq!(raw.is_err(), text.contains('`'));
        let whole = format!("x{{a=`{text}`}}");
        prop_assert!(raw.is_err() || raw == Ok(whole));
    }

    #[test]
    // Without p: what class \p names is not a matter of quotes, and Prometheus refuses one that does not exist.
    fn no_pattern_leaves_its_quotes(text in r#"([a-oq-z0-9.*|\\"'()\[\]]){0,20}"#) {
        if crate::pattern::is_readable(&text) {
            let query = filled(r#"x{a=~"b{{it}}"}"#, &[("it", ParameterType::Pattern, &text)]).unwrap();
            let Ok(Expr::VectorSelector(selector)) = parse(&query) else {
                return Err(TestCaseError::fail(query));
            };
            prop_assert_eq!(&selector.matchers.matchers[0].value, &format!("b(?:{text})"));
        }
    }

    #[test]
    fn no_template_makes_it_panic(template in r#"(\PC|["'`\\{}\n#=~]|\}\}|\{\{|\{\{it\}\}){0,40}"#) {
        let _ = filled(&template, &[("it", ParameterType::Text, "\"")]);
    }
}
