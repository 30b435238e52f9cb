//! The kubeconfig by which kubectl finds the demo's cluster. It lives as long as the demo.

use std::{
    env,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use tidegate_apiserver::http;

/// A kubeconfig file, removed when this is dropped.
#[derive(Debug)]
pub struct Kubeconfig {
    path: PathBuf,
}

impl Kubeconfig {
    /// Writes one for the API server on `port`. Its name follows from the port, so that a line that was copied once
    /// works again.
    pub fn write(port: u16) -> anyhow::Result<Self> {
        let path = env::temp_dir().join(format!("tidegate-demo-{port}.kubeconfig"));
        create(&path, &http::kubeconfig("tidegate", port))
            .with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Kubeconfig {
    fn drop(&mut self) {
        // It may be gone already; nothing is lost by that.
        let _ = fs::remove_file(&self.path);
    }
}

/// Nobody else's file or link is written through: the folder belongs to everybody.
fn create(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        // A demo that was killed left it behind: the port is ours now.
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_server_and_goes_with_the_demo() {
        // No demo listens on port 0.
        let kubeconfig = Kubeconfig::write(0).unwrap();
        let path = kubeconfig.path().to_owned();
        assert!(fs::read_to_string(&path).unwrap().contains("http://127.0.0.1:0"));
        drop(kubeconfig);
        assert!(!path.exists());
    }
}
