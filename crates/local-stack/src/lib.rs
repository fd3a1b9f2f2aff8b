//! Starts what Parlance consists of on this machine, without containers.
//!
//! [`servers`] runs Kafka, Redis, Postgres and the AWS emulators as child processes; [`suite`] is
//! all of it with the services and the one origin in front.
//! Everything listens on loopback only and dies with the process that started it.

pub mod install;
pub mod ports;
pub mod process;
pub mod servers;
pub mod suite;
pub mod test_folder;
pub mod throttle;
