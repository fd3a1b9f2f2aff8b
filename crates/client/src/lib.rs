//! Rust SDK of Parlance.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use client::{Api, Draft, Session, SessionOptions, Update};
//!
//! let api = Api::new("http://localhost:8080")?;
//! let client = api.sign_in("ada@example.org", "correct horse battery staple", "laptop").await?;
//! let bob = client.find_user("bob").await?;
//! let conversation = client.open_direct(bob.user_id).await?;
//!
//! let (session, mut updates) = Session::start(&client, SessionOptions::default());
//! session.send(conversation.conversation_id, Draft::text("Hello!")).await?;
//! while let Some(update) = updates.recv().await {
//!     if let Update::Shown { entry, .. } = update {
//!         println!("{}: {:?}", entry.number, entry.change);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod account;
mod api;
mod connection;
mod conversations;
pub mod engine;
mod error;
mod files;
mod groups;
mod messages;
mod session;
mod tokens;

pub use account::{Registration, User, WhoAmI};
pub use api::{Api, Client};
pub use connection::{CloseReason, ConnectError, Connection, Format, Incoming};
pub use conversations::{
    Conversation, ConversationDetails, ConversationKind, ConversationPage, ConversationSettings,
    ConversationSummary, Member, MemberRole, Mute, SettingsChanges,
};
pub use engine::{
    ConnectionState, Draft, MessageChange, Presence, Standing, Submission, Typing, Update,
};
pub use error::{Error, FieldProblem, Refusal, Result};
pub use files::{Download, File, PictureDownload, Upload};
pub use groups::{
    Group, GroupActivity, GroupCard, GroupChanges, GroupPage, GroupVisibility, Invitation,
    NewInvitation, ReportMetric, TopGroups,
};
pub use messages::{EntryPage, MemberReceipt, Position, Revision};
pub use session::{SendError, Session, SessionOptions, TooManyWatched, Updates};
pub use tokens::{Credentials, OpenVault, Vault};

/// The shapes of the socket, which REST shares.
pub use proto::socket as wire;
