//! Images, containers, networks and volumes through the Engine API (Docker's, or Podman's compatible one).
//!
//! Knows no Django and no PostgreSQL: who calls says what runs. Only objects that carry Hotclub's labels are ever
//! changed or removed (`labels`).

mod attached;
mod build;
mod context;
mod engine;
mod error;
mod image;
mod labels;
mod network;
mod service;
mod spec;
mod volume;

pub use attached::run;
pub use build::{Build, BuildLine};
pub use engine::Engine;
pub use error::DockerError;
pub use image::Image;
pub use labels::Owner;
pub use service::Service;
pub use spec::{Bind, RunSpec};
