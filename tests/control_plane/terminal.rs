//! What people see in a terminal: `tidegate get`, and `tidegate watch` in a pipe and in a terminal of its own.

use std::process::Stdio;

use anyhow::Context;
use tidegate_api::{Phase, condition::reason};
use tidegate_testkit::{Result, control_plane::Identity, shop::Shop, wait::until, world::World};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{
    behaviour::behaviours,
    scenes::{LATER, SOON, adopted, lingering, promoted, quick, reverted, underway},
};

behaviours![
    get_prints_the_table_of_kubectl_and_objects_that_kubectl_takes,
    watch_tells_each_change_in_a_line_where_there_is_no_terminal,
    watch_in_a_terminal_aborts_once_somebody_has_said_yes,
    watch_goes_on_when_the_rollout_is_written_by_others_and_ends_when_it_is_gone,
];

/// `tidegate` with these words, before the cluster of `world` and in the namespace of `shop`.
fn tidegate(world: &World, shop: &Shop, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command
        .args(words)
        .args(["--namespace", &shop.namespace])
        .env("KUBECONFIG", world.control_plane.kubeconfig(Identity::Admin))
        .kill_on_drop(true);
    command
}

async fn printed(world: &World, shop: &Shop, words: &[&str]) -> Result<String> {
    let output = tidegate(world, shop, words).output().await?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// A table, cell by cell: kubectl leaves more space between them.
fn cells(table: &str) -> Vec<Vec<String>> {
    table.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

async fn get_prints_the_table_of_kubectl_and_objects_that_kubectl_takes(world: &World) -> Result<()> {
    let shop = adopted(world.shop("get"), lingering()).await?;
    underway(&shop).await?;
    for words in [&["get", "checkout"][..], &["get"], &["get", "-o", "wide"]] {
        let typed = [&["get", "rollouts.tidegate.dev"], &words[1..]].concat();
        // The age may be another one by the second call.
        until("both to print the same", SOON, || async {
            let ours = printed(world, &shop, words).await.ok()?;
            let theirs = world.kubectl(&shop, &typed).await.ok()?;
            (cells(&ours) == cells(&theirs) && ours.contains("checkout")).then_some(())
        })
        .await?;
    }
    let json: serde_json::Value =
        serde_json::from_str(&printed(world, &shop, &["get", "checkout", "-o", "json"]).await?)?;
    let is_one = json["kind"] == "Rollout" && json["status"]["phase"] == "Progressing";
    shop.check(&format!("one is an object: {json}"), is_one && json["metadata"]["managedFields"].is_null()).await?;
    let yaml = printed(world, &shop, &["get", "-o", "yaml"]).await?;
    shop.check(&yaml, yaml.contains("kind: List") && yaml.contains("name: checkout")).await?;
    let names = printed(world, &shop, &["get", "-o", "name"]).await?;
    shop.check(&names, names == "rollout.tidegate.dev/checkout\n").await?;
    let none = tidegate(world, &shop, &["get", "-l", "team=nobody"]).output().await?;
    let expected = format!("no Rollouts with labels team=nobody in namespace {}\n", shop.namespace);
    let is_no_row = none.stdout.is_empty() && String::from_utf8_lossy(&none.stderr) == expected;
    shop.check(&format!("that there are none is no row: {none:?}"), is_no_row).await?;
    let missing = printed(world, &shop, &["get", "nobody"]).await?;
    shop.check(&missing, missing.contains(&format!("Rollout {}/nobody cannot be read", shop.namespace))).await
}

/// The lines that a process prints.
type Printed = Lines<BufReader<ChildStdout>>;

/// `tidegate watch` into a pipe, and its lines.
fn lines(world: &World, shop: &Shop) -> Result<(Child, Printed)> {
    let mut child =
        tidegate(world, shop, &["watch", "checkout"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("no output")?;
    Ok((child, BufReader::new(output).lines()))
}

/// Reads lines until one holds all `parts`; returns all that were read.
async fn line_with(lines: &mut Printed, parts: &[&str]) -> Result<Vec<String>> {
    let mut read = Vec::new();
    let found = timeout(LATER, async {
        while let Some(line) = lines.next_line().await? {
            let is_it = parts.iter().all(|part| line.contains(part));
            read.push(line);
            if is_it {
                return Ok(());
            }
        }
        anyhow::bail!("it has ended")
    });
    found.await.with_context(|| format!("no line with {parts:?}"))??;
    Ok(read)
}

async fn watch_tells_each_change_in_a_line_where_there_is_no_terminal(world: &World) -> Result<()> {
    let shop = adopted(world.shop("watch-lines"), quick()).await?;
    let (_watch, mut lines) = lines(world, &shop)?;
    line_with(&mut lines, &["  Stable  "]).await?;
    shop.release("v2", &[]).await?;
    line_with(&mut lines, &["  Progressing  canary 25%  "]).await?;
    promoted(&shop, "v2").await?;
    let read = line_with(&mut lines, &["  Stable  ", " serves"]).await?;
    let told: Vec<_> = read.iter().map(|line| line.split_once("  ").map(|(_, told)| told)).collect();
    shop.check(&format!("no line twice: {read:?}"), told.windows(2).all(|pair| pair[0] != pair[1])).await
}

/// `tidegate watch` in a terminal of 120 columns.
fn terminal(world: &World, shop: &Shop) -> Result<Child> {
    let binary = env!("CARGO_BIN_EXE_tidegate");
    let typed = format!("stty cols 120 rows 40; exec {binary} watch checkout --namespace {}", shop.namespace);
    // As everybody has it, the program that records a terminal makes one.
    Ok(Command::new("script")
        .args(["--quiet", "--return", "--command", &typed, "/dev/null"])
        .env("KUBECONFIG", world.control_plane.kubeconfig(Identity::Admin))
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?)
}

/// Reads what a terminal is sent until it has had all `parts`, in that order; each may be drawn in pieces.
async fn shown(child: &mut Child, parts: &[&str]) -> Result<()> {
    let output = child.stdout.as_mut().context("no output")?;
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    for part in parts {
        let found = timeout(LATER, async {
            loop {
                if let Some(place) = text.find(part) {
                    text.drain(..place + part.len());
                    return anyhow::Ok(());
                }
                let count = output.read(&mut buffer).await?;
                anyhow::ensure!(count > 0, "it has ended");
                text.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        found.await.with_context(|| format!("{part} is not shown"))??;
    }
    Ok(())
}

async fn press(child: &mut Child, keys: &str) -> Result<()> {
    let input = child.stdin.as_mut().context("no input")?;
    input.write_all(keys.as_bytes()).await?;
    Ok(input.flush().await?)
}

async fn watch_in_a_terminal_aborts_once_somebody_has_said_yes(world: &World) -> Result<()> {
    let shop = adopted(world.shop("watch-keys"), lingering()).await?;
    underway(&shop).await?;
    let version = shop.now().revision("v2").unwrap_or_default();
    let mut watch = terminal(world, &shop)?;
    shown(&mut watch, &["checkout", "Progressing", "q quit"]).await?;
    press(&mut watch, "x").await?;
    shown(&mut watch, &[&format!("abort {version}")]).await?;
    press(&mut watch, "n").await?;
    shown(&mut watch, &["nothing was done"]).await?;
    shop.check("nothing was written", shop.now().phase() == Phase::Progressing).await?;
    press(&mut watch, "x").await?;
    shown(&mut watch, &[&format!("abort {version}")]).await?;
    press(&mut watch, "y").await?;
    reverted(&shop).await?;
    let commands = shop.now().status().commands;
    shop.check(&format!("it is recorded: {commands:?}"), commands.iter().any(|command| command.done)).await?;
    press(&mut watch, "q").await?;
    let ended = timeout(SOON, watch.wait()).await??;
    shop.check(&format!("it ends well: {ended:?}"), ended.success()).await
}

async fn watch_goes_on_when_the_rollout_is_written_by_others_and_ends_when_it_is_gone(world: &World) -> Result<()> {
    let shop = adopted(world.shop("watch-gone"), quick()).await?;
    let (mut watch, mut lines) = lines(world, &shop)?;
    line_with(&mut lines, &["  Stable  "]).await?;
    shop.patch_rollout(serde_json::json!({"paused": true})).await?;
    shop.release("v2", &[]).await?;
    line_with(&mut lines, &["paused"]).await?;
    shop.delete_rollout().await?;
    let mut complaint = String::new();
    timeout(LATER, watch.wait()).await?.context("it does not end")?;
    watch.stderr.as_mut().context("no errors")?.read_to_string(&mut complaint).await?;
    shop.check(&complaint, complaint.ends_with("Rollout checkout is gone\n")).await?;
    let history = shop.events().await?;
    shop.check("nobody was hurt", !history.iter().any(|event| event.reason == reason::ABORTED)).await
}
