//! Redis: where the sequencer finds this gateway's sockets.

pub mod registrations;
