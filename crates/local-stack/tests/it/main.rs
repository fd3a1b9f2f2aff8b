//! The servers themselves: started, killed, paused, started again.

mod servers;
