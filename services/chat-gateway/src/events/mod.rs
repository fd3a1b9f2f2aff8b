//! Kafka: what people send, to the log; what the log has for them, from the deliveries.

pub mod deliveries;
pub mod hints;
pub mod log;
