//! For tests only: whatever fails here panics, which fails the test.

mod eventually;
mod identities;
mod link;
mod people;

pub use eventually::eventually;
pub use identities::Identities;
pub use link::Link;
pub use people::{People, TestPerson};
