//! For tests only: whatever fails here panics, which fails the test.

mod eventually;
mod identities;
mod link;
mod people;
mod surface;

pub use eventually::eventually;
pub use identities::Identities;
pub use link::Link;
pub use people::{People, TestPerson};
pub use surface::{Operation, Surface};
