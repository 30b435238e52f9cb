//! Debian's Chromium, driven by playwright-core; axe-core looks for what keeps people out.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// A browser.
pub struct Browser {
    tools: PathBuf,
    chromium: PathBuf,
}

impl Browser {
    /// The one that `CHROMIUM` names, with the packages in `BROWSER_TOOLS`. Without them the test is skipped, except on CI.
    pub fn find() -> Option<Self> {
        let [tools, chromium] = ["BROWSER_TOOLS", "CHROMIUM"].map(|name| env::var_os(name).map(PathBuf::from));
        let found = tools.zip(chromium).map(|(tools, chromium)| Self { tools, chromium });
        if found.is_none() {
            assert!(env::var("CI").as_deref() != Ok("true"), "there is no browser: CHROMIUM and BROWSER_TOOLS name it");
            eprintln!("skipped: there is no browser");
        }
        found
    }

    /// Runs a script of this folder, which has to succeed. What it shows of itself goes to `docs/dashboard` where
    /// `TIDEGATE_WRITE_SCREENSHOTS` is set, and is thrown away otherwise.
    pub fn run(&self, script: &str, arguments: &[&str]) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let kept = env::var_os("TIDEGATE_WRITE_SCREENSHOTS").map(|_| root.join("docs/dashboard"));
        let folder = kept.unwrap_or_else(|| root.join("target/dashboard"));
        let mut node = Command::new("node");
        node.arg(root.join("tests/dashboard").join(script)).args(arguments);
        node.env("BROWSER_TOOLS", &self.tools).env("CHROMIUM", &self.chromium).env("SCREENSHOTS", folder);
        let output = node.output().unwrap();
        let [said, wrong] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(output.status.success(), "{script}:\n{said}\n{wrong}");
        println!("{said}");
    }
}
