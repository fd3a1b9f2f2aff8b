//! Membership on its way to the log.

pub mod publish;
pub mod relay;
