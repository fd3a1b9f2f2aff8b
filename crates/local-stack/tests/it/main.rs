//! The servers, started, killed and paused.

#[cfg(test)]
mod servers;
