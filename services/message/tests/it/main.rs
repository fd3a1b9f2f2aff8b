//! The message service on real servers.

mod determinism;
mod routes;
mod support;
