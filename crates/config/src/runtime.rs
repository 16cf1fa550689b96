//! `[runtime]`: on the host or in containers, and how those are made.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[runtime]`.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
pub struct Runtime {
    pub kind: RuntimeKind,
    /// The engine's socket; `None`: DOCKER_HOST, or the usual places.
    pub engine: Option<String>,
    /// A finished image, instead of building one.
    pub image: Option<String>,
    /// The folder that is built from; `None`: that of the Dockerfile.
    pub context: Option<PathBuf>,
    /// Within the context; `None`: `Dockerfile`.
    pub dockerfile: Option<PathBuf>,
    pub target: Option<String>,
    pub args: BTreeMap<String, String>,
    /// What the Dockerfile that Hotclub writes begins with; `None`: `python:VERSION-slim`.
    pub base: Option<String>,
    /// Certificates of this machine that a build trusts.
    pub ca_bundle: Option<PathBuf>,
    /// The network of a build's commands; `None`: the engine's usual one.
    pub build_network: Option<String>,
    pub volumes: Vec<Volume>,
    /// The folder of manage.py in the image; `None`: where the image's containers start.
    pub workdir: Option<PathBuf>,
    /// Bytes of the app's container; beyond it the kernel kills.
    pub memory: Option<u64>,
}

/// Where the app's processes live.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RuntimeKind {
    #[default]
    Host,
    Docker,
}

/// One entry of `[runtime] volumes`.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    pub from: VolumeSource,
    /// Absolute, in the container.
    pub to: PathBuf,
    pub read_only: bool,
}

/// What is mounted.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub enum VolumeSource {
    /// A folder of the host, joined to the file's.
    Folder(PathBuf),
    Named(String),
}
