//! Everything that is between two people, in one thread.
//!
//! [`World`] holds devices with the engine of the SDK, gateways with the rules of the real ones, a log with
//! the sequencer's owners, and a store. Each step is drawn from a seed: somebody writes, a frame arrives or
//! is lost, an owner stores half a batch and dies, another sleeps and wakes up late, Redis forgets
//! everything. At the end all faults cease, and what must hold is looked at.

pub mod device;
pub mod gateway;
pub mod sequencer;
pub mod store;
pub mod world;

pub use world::{BrokenRule, Counts, World};
