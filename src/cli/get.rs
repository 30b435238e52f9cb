//! `tidegate get`: Rollouts as tables that the API server makes, or as objects; page by page, however many there are.

mod objects;
mod table;

use std::{io::Write, process::ExitCode};

use anyhow::Context;
use clap::{Args, ValueEnum};
use http::{HeaderValue, Request, header::ACCEPT};
use kube::{
    Client, Resource,
    api::{GetParams, ListParams},
};
use serde::de::DeserializeOwned;
use tidegate_api::Rollout;
use tidegate_operator::controller::CallError;

use super::{
    plain::plain,
    target::{Scope, ended, name},
};

/// So many are asked for at once: what kubectl asks for.
const PAGE: u32 = 500;

/// What the API server makes a table for. <https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables>
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// The arguments of `tidegate get`.
#[derive(Debug, Args)]
pub struct Options {
    /// One Rollout; all, where it is left out
    #[arg(value_name = "NAME", value_parser = name, conflicts_with_all = ["all_namespaces", "selector"])]
    name: Option<String>,

    #[command(flatten)]
    scope: Scope,

    /// The Rollouts of all namespaces
    #[arg(long, short = 'A', conflicts_with = "namespace")]
    all_namespaces: bool,

    /// Only those with these labels, such as team=shop
    #[arg(long, short = 'l', value_name = "LABELS")]
    selector: Option<String>,

    /// How they are printed
    #[arg(long, short = 'o', value_name = "FORM", default_value = "table")]
    output: Form,

    /// Leave out the heads of the table
    #[arg(long)]
    no_headers: bool,
}

/// How Rollouts are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A table
    Table,
    /// A table with the versions as well
    Wide,
    /// Objects as JSON
    Json,
    /// Objects as YAML
    Yaml,
    /// Names, one for each line
    Name,
}

/// Prints them. The code is 0, and 2 where they cannot be read.
pub fn main(options: &Options) -> ExitCode {
    ended(printed(options))
}

async fn printed(options: &Options) -> anyhow::Result<()> {
    let client = options.scope.client().await?;
    let namespace = (!options.all_namespaces).then(|| options.scope.namespace(&client));
    let asked = Asked { client, namespace, options };
    let text = match options.output {
        Form::Table | Form::Wide | Form::Name => asked.table().await?,
        Form::Json => serde_json::to_string_pretty(&asked.objects().await?)? + "\n",
        Form::Yaml => serde_saphyr::to_string(&asked.objects().await?)?,
    };
    // Whoever reads no further, such as head, has what they want.
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// What is asked for, and where.
struct Asked<'a> {
    client: Client,
    /// Nothing for all.
    namespace: Option<String>,
    options: &'a Options,
}

impl Asked<'_> {
    async fn table(&self) -> anyhow::Result<String> {
        let pages = self.pages::<table::Table>(TABLE).await?;
        Ok(match self.options.output {
            Form::Name => table::names(&pages),
            form => {
                let wanted = table::Columns {
                    namespaces: self.namespace.is_none(),
                    all: form == Form::Wide,
                    heads: !self.options.no_headers,
                };
                let told = table::told(&pages, wanted);
                if told.is_empty() {
                    // It is no row, and whatever reads rows must not take it for one.
                    eprintln!("{}", plain(&self.nothing()));
                }
                told
            }
        })
    }

    async fn objects(&self) -> anyhow::Result<serde_json::Value> {
        Ok(objects::whole(self.pages("application/json").await?))
    }

    /// All pages, in the form that is accepted.
    async fn pages<P: Page>(&self, accepted: &'static str) -> anyhow::Result<Vec<P>> {
        let (path, options) = (Rollout::url_path(&(), self.namespace.as_deref()), self.options);
        if let Some(name) = &options.name {
            let request = kube::core::Request::new(path).get(name, &GetParams::default())?;
            let place = self.namespace.as_deref().unwrap_or_default();
            let page = self.ask(request, accepted).await;
            return Ok(vec![page.with_context(|| format!("Rollout {place}/{name} cannot be read"))?]);
        }
        let mut params = ListParams { label_selector: options.selector.clone(), ..ListParams::default() }.limit(PAGE);
        let mut pages: Vec<P> = Vec::new();
        loop {
            let request = kube::core::Request::new(&path).list(&params)?;
            let page: P = self.ask(request, accepted).await.context("the Rollouts cannot be listed")?;
            let token = page.more().map(str::to_owned);
            pages.push(page);
            match token {
                Some(token) => params.continue_token = Some(token),
                None => return Ok(pages),
            }
        }
    }

    async fn ask<P: DeserializeOwned>(
        &self,
        mut request: Request<Vec<u8>>,
        accepted: &'static str,
    ) -> anyhow::Result<P> {
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accepted));
        Ok(self.client.request(request).await.map_err(CallError::from)?)
    }

    fn nothing(&self) -> String {
        let place = self.namespace.as_ref().map(|namespace| format!(" in namespace {namespace}"));
        let labels = self.options.selector.as_ref().map(|labels| format!(" with labels {labels}"));
        format!("no Rollouts{}{}", labels.unwrap_or_default(), place.unwrap_or_default())
    }
}

/// A part of a list, or one object.
trait Page: DeserializeOwned {
    /// By what the next part is asked for, if there is one.
    fn more(&self) -> Option<&str>;
}

/// What says where a list goes on.
#[derive(Debug, Default, serde::Deserialize)]
struct ListMeta {
    #[serde(default, rename = "continue")]
    token: String,
}

impl ListMeta {
    fn more(&self) -> Option<&str> {
        (!self.token.is_empty()).then_some(&*self.token)
    }
}
