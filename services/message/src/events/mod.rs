//! Producing to the log and waiting for what becomes of it.

mod log;
mod waiters;

pub use log::{AppendError, Log};
pub use waiters::{Resolution, Waiters};
