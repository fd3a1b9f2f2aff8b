//! Why the gateway ends a socket.

/// A WebSocket close code and its reason. Codes from 4000 on are ours (RFC 6455, section 7.4.2);
/// clients match on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close {
    pub code: u16,
    pub reason: &'static str,
}

impl Close {
    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason }
    }

    /// The login session was ended: sign in again.
    pub const SESSION_ENDED: Self = Self::new(4001, "session ended");
    /// No `hello` in time.
    pub const HELLO_EXPECTED: Self = Self::new(4002, "hello expected");
    /// The token is not valid, or has expired and was not renewed.
    pub const TOKEN_INVALID: Self = Self::new(4003, "token invalid");
    /// The socket took frames more slowly than they came: reconnect and resume.
    pub const SLOW_READER: Self = Self::new(4008, "slow reader");
    /// The WebSocket framing itself is broken.
    pub const PROTOCOL_ERROR: Self = Self::new(4009, "protocol error");
    /// The person has as many sockets here as one may have.
    pub const TOO_MANY_SOCKETS: Self = Self::new(4013, "too many sockets");
    /// This gateway is about to stop: another one takes over.
    pub const DRAINING: Self = Self::new(4012, "draining");
    /// Nothing was heard for two heartbeats, not even a pong.
    pub const SILENT: Self = Self::new(1001, "nothing heard");
    /// A text frame that is not UTF-8.
    pub const NOT_UTF8: Self = Self::new(1007, "not UTF-8");
    /// A frame beyond what is read at all.
    pub const TOO_BIG: Self = Self::new(1009, "too big");
    /// What is needed to check the token isn't there now.
    pub const TRY_AGAIN_LATER: Self = Self::new(1013, "try again later");
}
