//! Runs Python apps: generations of fork servers and workers, their queue, the exchange of one
//! request. Knows nothing of HTTP connections (that is `hotclub-front`) nor of Django.

mod again;
mod answer;
mod away;
mod board;
mod buffers;
mod call;
mod contained;
mod control;
mod counts;
mod crew;
mod deadline;
mod death;
mod describe;
mod fork_server;
#[doc(hidden)]
pub mod fuzz;
mod generation;
mod lane;
mod lanes;
mod lost;
mod memory;
mod nursery;
mod oom;
mod owner;
mod payload;
mod queue;
mod reply;
mod spool;
mod strays;
mod sys;
mod thread_state;
mod view;

pub use answer::{AnswerBody, Part};
pub use away::{Courier, Guests, LaneNews, LaneOrder, Link, Parcel};
pub use board::{Board, SlotView, monotonic_now};
pub use buffers::{BufferBounds, BufferUsage, Buffers, MemoryShare, SpoolError, SpoolFile};
pub use call::{Answer, Call, CallBody, CallError, Cut, Times};
pub use contained::Contained;
pub use control::{Advice, AppFailure, Finding, Frame, Loaded, TuneOrder};
pub use counts::{Counts, Restart};
pub use crew::Policy;
pub use fork_server::{Launch, StartError};
pub use generation::{Generation, Spec, Status, Surroundings, Tune};
pub use lane::{Common, Lane, LaneEvent, Limits};
pub use lanes::Place;
pub use memory::Memory;
pub use payload::unpack;
pub use thread_state::Eyes;
pub use view::{View, WorkerView};
