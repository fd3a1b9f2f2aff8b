//! The servers, started, killed and paused; and the origin in front of them.

#[cfg(test)]
mod proxy;
#[cfg(test)]
mod servers;
