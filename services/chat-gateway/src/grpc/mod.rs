//! gRPC, for people and for peers.

mod internal;
mod public;

pub use internal::internal;
pub use public::public;
