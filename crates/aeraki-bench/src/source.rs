//! A large mesh as the command sees it: from an istiod and an API server in this process.

use std::path::Path;

use aeraki_api::Cr;
use aeraki_api::mcp::Any;
use aeraki_testbed::fake_istiod::{FakeIstiod, Scenario};
use aeraki_testkit::large_mesh::{self, METHOD, Member, members};
use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;
use tempfile::TempDir;

use crate::api_server::ApiServer;

/// Where the command has its config from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    /// istiod
    Xds,
    /// the API server
    Kube,
}

impl Source {
    /// As the command calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Xds => "xds",
            Self::Kube => "kube",
        }
    }
}

/// A mesh, and the servers that hold it.
pub(crate) struct Mesh {
    pub(crate) api_server: ApiServer,
    pub(crate) istiod: FakeIstiod,
    place: TempDir,
    pub(crate) size: usize,
    source: Source,
    virtual_services: Vec<Any>,
    version: u64,
}

impl Mesh {
    /// Starts the servers, with so many services.
    pub(crate) async fn start(source: Source, size: usize) -> Result<Self> {
        let api_server = ApiServer::start().await?;
        let place = tempfile::tempdir()?;
        std::fs::write(place.path().join("kubeconfig"), api_server.kubeconfig())?;
        let istiod = FakeIstiod::start(Scenario::Current).await;
        for member in members(size) {
            api_server.put("serviceentries", json(&member.service_entry())?)?;
            if source == Source::Kube {
                api_server.put("virtualservices", json(&member.virtual_service(METHOD))?)?;
                api_server.put("destinationrules", json(&member.destination_rule())?)?;
            }
        }
        let virtual_services =
            members(size).map(|member| large_mesh::resource(&member.virtual_service(METHOD), 0));
        let mesh = Self {
            api_server,
            istiod,
            place,
            size,
            source,
            virtual_services: virtual_services.collect(),
            version: 0,
        };
        mesh.tell_istiod();
        Ok(mesh)
    }

    fn tell_istiod(&self) {
        let size = self.size;
        self.istiod
            .set("VirtualService", self.virtual_services.clone());
        let entries = members(size).map(|member| large_mesh::resource(&member.service_entry(), 0));
        self.istiod.set("ServiceEntry", entries.collect());
        let rules = members(size).map(|member| large_mesh::resource(&member.destination_rule(), 0));
        self.istiod.set("DestinationRule", rules.collect());
    }

    /// The files of the servers and the command.
    pub(crate) fn place(&self) -> &Path {
        self.place.path()
    }

    /// Changes the method of a service's first route. Who reads it from istiod learns of it with the next push.
    pub(crate) fn change(&mut self, member: Member, method: &str) -> Result<()> {
        let rule = member.virtual_service(method);
        self.version += 1;
        match self.source {
            Source::Kube => self.api_server.put("virtualservices", json(&rule)?),
            Source::Xds => {
                self.virtual_services[member.0] = large_mesh::resource(&rule, self.version);
                Ok(())
            }
        }
    }

    /// Has istiod push what has changed: as it does, all VirtualServices. A no-op where it is not the source.
    pub(crate) fn push(&self) {
        if self.source == Source::Xds {
            self.istiod
                .set("VirtualService", self.virtual_services.clone());
            self.istiod.push_kind("VirtualService");
        }
    }

    /// Whether a service's outbound EnvoyFilter has this method.
    pub(crate) fn has(&self, member: Member, method: &str) -> bool {
        let filter = self
            .api_server
            .filter("istio-system", &member.outbound_filter());
        filter.is_some_and(|text| text.contains(&format!("\"{method}\"")))
    }
}

fn json<S: Serialize>(object: &Cr<S>) -> Result<serde_json::Value> {
    Ok(serde_json::to_value(object)?)
}
