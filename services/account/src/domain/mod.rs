//! Types and rules; nothing here knows of HTTP, gRPC or a store.

mod contacts;
mod display_name;
mod email;
mod handle;
pub mod page;
mod password;
pub mod privacy;
mod refresh_token;
mod search;

pub use contacts::{ContactState, MAX_BLOCKS, MAX_CONTACTS, MAX_SENT, quarantine};
pub use display_name::DisplayName;
pub use email::Email;
pub use handle::Handle;
pub use password::{InvalidPassword, MAX_PASSWORD_BYTES, NewPassword};
pub use refresh_token::{RefreshSecret, RefreshToken};
pub use search::{InvalidQuery, SearchQuery};
pub use serving::Network;

use ids::UserId;

/// What anybody may know of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub user: UserId,
    pub handle: String,
    pub display_name: String,
}

/// The name of a device, as its owner reads it in the list of sessions: cut, never refused.
pub fn device_name(text: &str) -> String {
    text.trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(64)
        .collect()
}
