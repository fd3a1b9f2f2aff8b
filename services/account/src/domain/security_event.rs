/// What happens to an account that its owner may want to know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityEvent {
    Registered,
    SignedIn,
    SignInFailed,
    LoggedOut,
    SessionRevoked,
    OtherSessionsRevoked,
    RefreshTokenReused,
    PasswordChanged,
    PasswordSet,
    RecoveryMailed,
    Recovered,
    EmailVerified,
    EmailChanged,
    HandleChanged,
    IdentityLinked,
    IdentityUnlinked,
    DataExported,
}

impl SecurityEvent {
    /// Stable, `lower_snake_case`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::SignedIn => "signed_in",
            Self::SignInFailed => "sign_in_failed",
            Self::LoggedOut => "logged_out",
            Self::SessionRevoked => "session_revoked",
            Self::OtherSessionsRevoked => "other_sessions_revoked",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::PasswordChanged => "password_changed",
            Self::PasswordSet => "password_set",
            Self::RecoveryMailed => "recovery_mailed",
            Self::Recovered => "recovered",
            Self::EmailVerified => "email_verified",
            Self::EmailChanged => "email_changed",
            Self::HandleChanged => "handle_changed",
            Self::IdentityLinked => "identity_linked",
            Self::IdentityUnlinked => "identity_unlinked",
            Self::DataExported => "data_exported",
        }
    }
}
