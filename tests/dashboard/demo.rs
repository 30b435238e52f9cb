//! The running demo.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// A demo. Dropping it ends it.
pub struct Demo {
    child: Child,
    /// Where its dashboard is.
    pub link: String,
    /// Where its API server is.
    pub api: String,
}

impl Demo {
    /// Starts one, and waits until it has told where it is. Slower than it is by itself: it does not wait for a browser that is slow.
    pub fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        let mut child = command.args(["demo", "--port", "0", "--speed", "25"]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, told) = mpsc::channel();
        // All that it tells is read, or it would wait for its reader.
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(tell.send(line))));
        let (mut link, mut api) = (String::new(), String::new());
        while link.is_empty() || api.is_empty() {
            let said = told.recv_timeout(Duration::from_mins(1)).unwrap();
            if said.contains("#token=") {
                said.trim().clone_into(&mut link);
            }
            if let Some((_, rest)) = said.split_once("--kubeconfig ") {
                let kubeconfig = fs::read_to_string(rest.split_whitespace().next().unwrap()).unwrap();
                let kubeconfig: serde_json::Value = serde_json::from_str(&kubeconfig).unwrap();
                kubeconfig["clusters"][0]["cluster"]["server"].as_str().unwrap().clone_into(&mut api);
            }
        }
        Self { child, link, api }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Asked to end, it removes its kubeconfig.
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}
