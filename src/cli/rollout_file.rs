//! One Rollout from a file, and the Prometheus that it is held against.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use jiff::Timestamp;
use tidegate_analysis::{self as metrics, Past, Templates};
use tidegate_api::Rollout;
use tidegate_endpoints::Endpoints;

use super::lint::{self, NamedApplication};

/// Which Rollout, and which Prometheus.
#[derive(Debug, Args)]
pub struct Source {
    /// A YAML file with the Rollout, a folder, or - for the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The name of the Rollout, where the file has several
    #[arg(long, value_name = "NAME")]
    rollout: Option<String>,

    /// The namespace of the Rollout, where the file does not say it
    #[arg(long, short, value_name = "NAME", default_value = "default")]
    namespace: String,

    /// Where Prometheus is, without /api/v1
    #[arg(long, value_name = "URL", required_unless_present = "endpoints")]
    prometheus: Option<String>,

    /// The operator's file of Prometheus endpoints, with credentials; the Rollout names one of them
    #[arg(long, value_name = "FILE", conflicts_with = "prometheus")]
    endpoints: Option<PathBuf>,
}

/// A Rollout and its Prometheus.
#[derive(Debug)]
pub struct LoadedRollout {
    /// The Rollout.
    pub rollout: Rollout,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The templates beside it.
    pub templates: Templates,
    /// What it asks.
    pub past: Past,
}

impl LoadedRollout {
    /// What the past is held against.
    pub fn asked(&self) -> metrics::BacktestRequest<'_> {
        let Self { rollout, namespace, name, templates, .. } = self;
        metrics::BacktestRequest { namespace, name, spec: &rollout.spec, templates }
    }
}

impl LoadedRollout {
    /// Lets the preset stand for `auto` that fits what the pods expose, and says so on the standard error.
    ///
    /// # Errors
    /// None fits.
    pub fn settle(&mut self) -> anyhow::Result<()> {
        let (spec, presets) = wait(self.past.settle(self.asked(), Timestamp::now()))??;
        self.rollout.spec = spec;
        for taken in presets {
            eprintln!("note: check {}: preset auto stands for {}, which {}", taken.check, taken.preset, taken.reason);
        }
        Ok(())
    }
}

/// An application, and the Prometheus that knows it.
#[derive(Debug)]
pub struct Application {
    /// Its Deployment.
    pub workload: String,
    /// Its namespace.
    pub namespace: String,
    /// What is asked.
    pub past: Past,
}

impl Source {
    /// Reads which application it is, from a Rollout or else a Deployment, and finds its Prometheus.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub fn application(&self) -> anyhow::Result<Application> {
        let all = lint::applications(&self.file)?;
        let is_meant = |found: &&NamedApplication| self.rollout.as_ref().is_none_or(|wanted| found.name == *wanted);
        let meant: Vec<_> = all.iter().filter(is_meant).collect();
        let [found] = meant.as_slice() else {
            let names: Vec<_> = all.iter().map(|found| found.name.as_str()).collect();
            let (file, names) = (self.file.display(), names.join(", "));
            bail!("{file} has to have one Rollout or Deployment, and has {names:?}; choose one with --rollout NAME");
        };
        let called = found.prometheus.as_deref();
        let past = Past::new(&self.endpoints(called)?, called)?
            .with_context(|| format!("no endpoint is called {:?}", called.unwrap_or("default")))?;
        let namespace = found.namespace.clone().unwrap_or_else(|| self.namespace.clone());
        Ok(Application { workload: found.workload.clone(), namespace, past })
    }

    /// The endpoints that may be asked, with one of that name.
    fn endpoints(&self, called: Option<&str>) -> anyhow::Result<Endpoints> {
        Ok(match (&self.endpoints, &self.prometheus) {
            (Some(file), _) => Endpoints::load(file)?,
            (None, Some(url)) => {
                let endpoint = serde_json::json!({"name": called.unwrap_or("default"), "url": url});
                Endpoints::parse(&serde_json::json!({"endpoints": [endpoint]}).to_string(), "--prometheus")?
            }
            (None, None) => bail!("say where Prometheus is: --prometheus URL, or --endpoints FILE"),
        })
    }

    /// Reads the Rollout and finds its Prometheus.
    ///
    /// # Errors
    /// Which file or field cannot be used, and why.
    pub fn subject(&self) -> anyhow::Result<LoadedRollout> {
        let (name, rollout, templates) = self.only(lint::rollouts(&self.file)?)?;
        let Some(analysis) = &rollout.spec.analysis else {
            bail!("Rollout {name} has no analysis, so nothing is asked about its releases");
        };
        let called = analysis.prometheus.as_deref();
        let past = Past::new(&self.endpoints(called)?, called)?.with_context(|| {
            format!(
                "Rollout {name} asks endpoint {:?}, and the file has none of that name",
                called.unwrap_or("default")
            )
        })?;
        let namespace = rollout.metadata.namespace.clone().unwrap_or_else(|| self.namespace.clone());
        Ok(LoadedRollout { rollout, namespace, name, templates, past })
    }

    /// The one Rollout that is meant.
    fn only(&self, rollouts: Vec<(Rollout, Templates)>) -> anyhow::Result<(String, Rollout, Templates)> {
        let with_name = |(rollout, templates): (Rollout, Templates)| {
            (rollout.metadata.name.clone().unwrap_or_default(), rollout, templates)
        };
        let mut all: Vec<_> = rollouts.into_iter().map(with_name).collect();
        let names: Vec<_> = all.iter().map(|(name, ..)| name.as_str()).collect();
        let (names, file) = (names.join(", "), self.file.display());
        if let Some(wanted) = &self.rollout {
            all.retain(|(name, ..)| name == wanted);
        }
        match (all.pop(), all.pop()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => bail!("{file} has several Rollouts ({names}); choose one with --rollout NAME"),
            (None, _) if names.is_empty() => bail!("{file} has no Rollout"),
            (None, _) => bail!("{file} has no Rollout of that name, but {names}"),
        }
    }
}

/// Waits for what is asked of Prometheus.
pub fn wait<T>(asked: impl Future<Output = T>) -> anyhow::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(asked))
}
