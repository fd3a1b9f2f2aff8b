//! The one stack in front of every handler of every service.
//!
//! **Invariants.** A refusal is a problem with a stable code, also when axum or tonic made it. A
//! request line is never logged or measured with its query: it may hold what must not be seen.
//! A label of a metric is never what a caller chose.

mod client_address;
mod extract;
mod grpc;
mod healthcheck;
mod http_stack;
mod listeners;
mod ops;
mod swagger;

pub use client_address::{InvalidNetwork, Network, client_address};
pub use extract::{Json, Path, Query};
pub use grpc::{GrpcServer, grpc_server, serve_grpc, with_reflection};
pub use healthcheck::healthcheck;
pub use http_stack::{HttpSettings, http, serve_http};
pub use listeners::{Addresses, Listeners};
pub use ops::{ReadinessCheck, readiness_check, serve_ops};
pub use swagger::swagger;
