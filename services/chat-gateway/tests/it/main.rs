//! The gateway on real Kafka and Redis, seen by real WebSocket clients.

#[cfg(test)]
mod breaking;
#[cfg(test)]
mod client;
#[cfg(test)]
mod deliveries;
#[cfg(test)]
mod footprint;
#[cfg(test)]
mod presence;
#[cfg(test)]
mod process;
#[cfg(test)]
mod sending;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod slow_reader;
#[cfg(test)]
mod typing;
#[cfg(test)]
mod world;
