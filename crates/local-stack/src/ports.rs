//! Ports for servers that are started for a while.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::bail;

/// Below the range that Linux gives to outgoing connections (32768 and up). A server that is
/// down for a moment would otherwise lose its port to some client, or a client that keeps
/// reconnecting would in the end connect to itself.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A port of loopback on which nothing listens now, never given twice by this process.
///
/// # Errors
/// When the whole range is taken.
pub fn free() -> anyhow::Result<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let given = given.get_or_insert_default();
    // Processes that test at the same time begin at different places.
    let width = RANGE.end - RANGE.start;
    let offset =
        u16::try_from(std::process::id().wrapping_mul(97) % u32::from(width)).unwrap_or_default();
    for step in 0..width {
        let port = RANGE.start + (offset + step) % width;
        if !given.contains(&port) && is_free(port) {
            given.insert(port);
            return Ok(port);
        }
    }
    bail!("no port between {} and {} is free", RANGE.start, RANGE.end);
}

/// Whether a server could listen on the port of loopback now.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once() {
        let first = free().unwrap();
        assert_ne!(first, free().unwrap());
    }
}
