//! The workloads, a file each.

mod container;
mod detail;
mod files;
mod hello;
mod home;
mod idle;
mod memory;
mod overload;
mod plain;
mod replace;
mod slow;
mod start;
mod steady;
mod tuned;
mod upload;
mod visit;

use super::workload::Workload;

/// In the order in which they are run and told.
pub(super) fn all() -> Vec<Box<dyn Workload>> {
    vec![
        Box::new(home::Home),
        Box::new(tuned::Tuned),
        Box::new(container::Container),
        Box::new(detail::Detail),
        Box::new(plain::Plain),
        Box::new(hello::Hello),
        Box::new(files::Files),
        Box::new(upload::Upload),
        Box::new(visit::Visit),
        Box::new(steady::Steady),
        Box::new(slow::SlowNetwork),
        Box::new(overload::Overload),
        Box::new(memory::Memory),
        Box::new(start::Start),
        Box::new(replace::Replace),
        Box::new(idle::IdleConnections),
    ]
}
