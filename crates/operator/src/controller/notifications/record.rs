//! The record of what receivers were told, in a ConfigMap.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use kube::{
    Api, Client, Resource,
    api::{ObjectMeta, PostParams},
};
use tidegate_notify::{Record, Standing};

use crate::controller::error::CallError;

/// The record, for the operator.
const RECORD: &str = "record.json";
/// How receivers do, for people.
const RECEIVERS: &str = "receivers";
/// How long to wait before it is read again.
const AGAIN: Duration = Duration::from_secs(5);

/// Where the record is kept.
pub struct Archive {
    api: Api<ConfigMap>,
    object: ConfigMap,
    trouble: Option<String>,
}

impl Archive {
    /// Reads it, for as long as that takes. Where the operator may not, nothing survives a restart, and it says so.
    pub async fn open(client: &Client, namespace: &str, name: &str) -> Self {
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
        let metadata =
            ObjectMeta { name: Some(name.to_owned()), namespace: Some(namespace.to_owned()), ..ObjectMeta::default() };
        let mut archive = Self { api, object: ConfigMap { metadata, ..ConfigMap::default() }, trouble: None };
        loop {
            match archive.api.get_opt(name).await {
                Ok(found) => {
                    archive.object = found.unwrap_or(archive.object);
                    return archive;
                }
                Err(error) => {
                    let is_forbidden = matches!(&error, kube::Error::Api(status) if status.is_forbidden());
                    archive.complain(&CallError::from(error));
                    if is_forbidden {
                        return archive;
                    }
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// What was kept. What cannot be read is as if nothing had been kept: nobody is told what was.
    pub fn record(&mut self) -> Record {
        let text = self.object.data.as_ref().and_then(|data| data.get(RECORD));
        let read = text.map(|text| Record::read(text)).transpose();
        read.unwrap_or_else(|error| {
            tracing::error!(%error, "the record of notifications cannot be read: they begin from now on");
            None
        })
        .unwrap_or_default()
    }

    /// What events are about.
    pub fn reference(&self) -> ObjectReference {
        self.object.object_ref(&())
    }

    /// Writes it; whether that went well.
    pub async fn write(&mut self, record: &Record, standings: &[Standing]) -> bool {
        let data = [(RECORD, record.text()), (RECEIVERS, super::told(standings))];
        let data: BTreeMap<_, _> = data.into_iter().map(|(key, text)| (key.to_owned(), text)).collect();
        let wanted = ConfigMap { data: Some(data), ..self.object.clone() };
        let name = wanted.metadata.name.clone().unwrap_or_default();
        let params = PostParams::default();
        let written = if wanted.metadata.resource_version.is_some() {
            self.api.replace(&name, &params, &wanted).await
        } else {
            self.api.create(&params, &wanted).await
        };
        match written {
            Ok(object) => {
                (self.object, self.trouble) = (object, None);
                true
            }
            Err(error) => {
                let is_other = matches!(&error, kube::Error::Api(status)
                    if status.is_conflict() || status.is_already_exists() || status.is_not_found());
                if is_other {
                    self.look(&name).await;
                } else {
                    self.complain(&CallError::from(error));
                }
                false
            }
        }
    }

    /// Somebody changed or deleted it: the next write goes over what is there now.
    async fn look(&mut self, name: &str) {
        match self.api.get_opt(name).await {
            Ok(Some(found)) => self.object = found,
            Ok(None) => (self.object.metadata.resource_version, self.object.metadata.uid) = (None, None),
            Err(error) => self.complain(&CallError::from(error)),
        }
    }

    /// Says what is wrong once, and not again while it stays the same.
    fn complain(&mut self, error: &CallError) {
        let trouble = error.to_string();
        if self.trouble.as_ref() != Some(&trouble) {
            tracing::warn!(%trouble, "the record of notifications cannot be read or written: some may be sent twice after a restart");
            self.trouble = Some(trouble);
        }
    }
}
