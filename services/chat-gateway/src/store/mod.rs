//! Redis: where people's sockets are, and who wants to know when that changes.

pub mod presence;
pub mod registrations;
