//! The message service on real servers.

#[cfg(test)]
mod changes;
#[cfg(test)]
mod determinism;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod support;
