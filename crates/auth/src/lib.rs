//! Who calls: people by access tokens, services by identities of their own.
//!
//! **Invariants.** A caller is what a signature says, never what a header claims: there is no
//! user-id header to trust. The algorithm is pinned (EdDSA over Ed25519, RFC 8037); what a token's
//! header says of keys (`jwk`, `jku`, `x5u`) is never followed (RFC 8725). Tokens are never
//! printed.

mod ended;
mod follow;
mod identity;
mod keys;
mod peer;
mod person;
mod token;

pub use ended::{EndedSessions, session_ended};
pub use identity::{
    Caller, IDENTITY_METADATA, IdentityError, IdentitySettings, InternalInterceptor,
    ServiceIdentity, internal_interceptor,
};
pub use keys::{Jwk, Jwks, KeyError, KeyPair};
pub use peer::{PeerChannel, PeerError};
pub use person::{Person, person_from_metadata};
pub use token::{AccessClaims, TOKEN_TYPE, TokenSettings, TokenVerifier};
