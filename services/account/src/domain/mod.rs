//! Types and rules; nothing here knows of HTTP, gRPC or a store.

mod client;
mod contacts;
mod display_name;
mod email;
mod handle;
mod metadata;
pub mod page;
mod password;
mod picture;
pub mod privacy;
mod random_token;
mod refresh_token;
mod return_path;
mod search;
mod security_event;
mod status_text;

pub use client::Client;
pub use contacts::{ContactState, MAX_BLOCKS, MAX_CONTACTS, MAX_SENT, quarantine};
pub use display_name::DisplayName;
pub use email::Email;
pub use handle::Handle;
pub use metadata::Metadata;
pub use password::{InvalidPassword, MAX_PASSWORD_BYTES, NewPassword};
pub use picture::{DefaultPicture, Picture};
pub use random_token::RandomToken;
pub use refresh_token::{RefreshSecret, RefreshToken};
pub use return_path::ReturnPath;
pub use search::{InvalidQuery, SearchQuery};
pub use security_event::SecurityEvent;
pub use serving::Network;
pub use status_text::StatusText;

use ids::UserId;

/// What anybody may know of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub user: UserId,
    pub handle: String,
    pub display_name: String,
    pub status_text: String,
    pub picture: Picture,
    /// The account is gone; the id and a name for it are left.
    pub deleted: bool,
}

/// The name of a device, as its owner reads it in the list of sessions: cut, never refused.
pub fn device_name(text: &str) -> String {
    text.trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(64)
        .collect()
}
