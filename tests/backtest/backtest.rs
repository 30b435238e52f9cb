//! Releases that were imagined in the past, and such as there were.

use crate::{
    command::{ERRORS, on, on_file, rollout},
    past::{BAD, GOOD, OLD, Past, UPGRADE},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backtest_says_what_an_incident_would_have_done_and_how_often_it_would_have_cried_wolf() {
    let Some(past) = Past::write_tuesday().await else { return };
    let minute = |minute| past.minute(minute).to_string();
    let errors = rollout(ERRORS);

    // A release just before the incident would have been caught in it.
    let caught = on(&past, "backtest", &errors, &["--from", &minute(118), "--to", &minute(160)]).await;
    println!("{}", caught.printed);
    assert_eq!(caught.code, 1, "{caught:?}");
    assert!(caught.printed.contains("would have failed after "), "{}", caught.printed);
    assert!(caught.printed.contains("in stage canary: errors: "), "{}", caught.printed);

    // One long before would have passed.
    let passed = on(&past, "backtest", &errors, &["--from", &minute(60), "--to", &minute(90), "-o", "json"]).await;
    assert_eq!(passed.code, 0, "{passed:?}");
    let report = passed.json();
    assert_eq!((&report["passed"], &report["releases"][0]["outcome"]), (&1.into(), &"Passed".into()), "{report}");

    // Of many, only those near the incident.
    let arguments = ["--from", &minute(30), "--to", &minute(235), "--every", "30m"];
    let many = on(&past, "backtest", &errors, &arguments).await;
    println!("{}", many.printed);
    let many = on(&past, "backtest", &errors, &[arguments.as_slice(), &["-o", "json"]].concat()).await;
    assert_eq!(many.code, 1, "{many:?}");
    let report = many.json();
    let failed: Vec<_> =
        report["releases"].as_array().unwrap().iter().filter(|one| one["outcome"] == "Failed").collect();
    assert_eq!(failed.len(), 1, "{report}");
    assert_eq!(failed[0]["at"], minute(120).as_str());
    assert!(report["passed"].as_u64() >= Some(4) && report["medianTimeToPass"].is_string(), "{report}");

    // A comparison is with what the same pods were like before.
    let relative = rollout("[{name: worse, errorRate: {preset: pod-http, relative: {ratio: 1.5, margin: 1%}}}]");
    let worse = on(&past, "backtest", &relative, &["--from", &minute(119), "--to", &minute(160), "-o", "json"]).await;
    assert_eq!((worse.code, &worse.json()["releases"][0]["failedBy"]), (1, &"worse".into()), "{worse:?}");

    // Real releases are judged by their own pods.
    let real = async |canary, from| {
        let versions = ["--canary", canary, "--stable", OLD];
        let (from, to) = (minute(from), minute(from + 30));
        on(&past, "backtest", &relative, &[["--from", &from, "--to", &to].as_slice(), &versions].concat()).await
    };
    let bad = real(BAD, 240).await;
    println!("{}", bad.printed);
    assert_eq!(bad.code, 1, "{bad:?}");
    assert!(bad.printed.contains("stable at 0"), "{}", bad.printed);
    let good = real(GOOD, 300).await;
    assert_eq!(good.code, 0, "{good:?}");

    // A query is looked at as often as the operator would.
    let query = r#"[{name: failing, query: {expr: "sum(rate(http_requests_total{pod=~\"{{pods}}\",code=\"500\"}[2m]))", max: 0.1, for: 1m}}]"#;
    let failing = on(&past, "backtest", &rollout(query), &["--from", &minute(118), "--to", &minute(150)]).await;
    println!("{}", failing.printed);
    assert_eq!(failing.code, 1, "{failing:?}");
    assert!(failing.printed.contains("above the limit of 0.1"), "{}", failing.printed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_used_is_told_in_one_line() {
    let errors = rollout(ERRORS);
    let there = ["--prometheus", "http://127.0.0.1:1"];
    for (arguments, sentence) in [
        ([there.as_slice(), &["--from", "yesterday"]].concat(), "is not a time such as"),
        ([there.as_slice(), &["--from", "now"]].concat(), "is not after --from"),
        ([there.as_slice(), &["--from", "-1h", "--to", "2999-01-01"]].concat(), "is in the future"),
        ([there.as_slice(), &["--from", "-30d", "--every", "1s"]].concat(), "more than 10000 releases"),
        ([there.as_slice(), &["--from", "-1h"]].concat(), "cannot be reached"),
        ([there.as_slice(), &["--from", "-1h", "--canary", "a"]].concat(), "--stable"),
        (vec!["--from", "-1h"], "--prometheus"),
        (vec!["--from", "-1h", "--prometheus", "ftp://a"], "must start with http:// or https://"),
        (vec!["--from", "-1h", "--endpoints", "nowhere.yaml"], "cannot read the endpoints from nowhere.yaml"),
    ] {
        let refused = on_file("backtest", &errors, &arguments).await;
        assert_eq!((refused.code, refused.printed.as_str()), (2, ""), "{refused:?}");
        assert!(refused.complaint.contains(sentence), "{refused:?}");
    }
    let listed = format!("kind: List\nitems:\n- {}\n", errors.trim_end().replace('\n', "\n  "));
    for command in ["backtest", "plan"] {
        let from: &[&str] = if command == "plan" { &[] } else { &["--from", "-1h"] };
        let read = on_file(command, &listed, &[&there, from].concat()).await;
        assert!(format!("{}{}", read.complaint, read.printed).contains("cannot be reached"), "{read:?}");
    }
    let nothing = on_file("backtest", "kind: Service\n", &[there.as_slice(), &["--from", "-1h"]].concat()).await;
    assert!(nothing.complaint.contains("rollout.yaml has no Rollout"), "{nothing:?}");
    let wrong = errors.replace("max: 1%", "max: 101%");
    let wrong = on_file("backtest", &wrong, &[there.as_slice(), &["--from", "-1h"]].concat()).await;
    assert!(wrong.complaint.starts_with("tidegate: rollout.yaml:11:"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_across_an_upgrade_of_prometheus_is_judged_by_all_of_its_requests() {
    let Some(past) = Past::write_tuesday().await else { return };
    let latency = rollout("[{name: p95, latency: {preset: pod-http, quantile: 0.95, max: 1s}}]");
    let (from, to) = (past.minute(UPGRADE - 7).to_string(), past.minute(UPGRADE + 40).to_string());
    let passed = on(&past, "backtest", &latency, &["--from", &from, "--to", &to, "-o", "json"]).await;
    println!("{}", passed.printed);
    assert_eq!(passed.code, 0, "{passed:?}");
    let report = passed.json();
    assert_eq!(report["releases"][0]["outcome"], "Passed", "{report}");
    assert!(!report.to_string().contains("up to"), "{report}");
    assert!(report["releases"][0]["checks"][0]["sample"].as_i64() > Some(1000), "{report}");
}
