//! The gateway on real Kafka and Redis, seen by real WebSocket clients.

mod breaking;
mod client;
mod deliveries;
mod footprint;
mod sending;
mod sessions;
mod world;
