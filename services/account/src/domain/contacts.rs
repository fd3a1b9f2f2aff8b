use std::time::Duration;

/// Entries of one person's list, in whatever state.
pub const MAX_CONTACTS: i64 = 5_000;
/// Invitations that one person has open.
pub const MAX_SENT: i64 = 200;
/// People whom one person blocks.
pub const MAX_BLOCKS: i64 = 5_000;

/// Where one stands with somebody on one's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactState {
    Contact,
    InvitationSent,
    InvitationReceived,
}

impl ContactState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::InvitationSent => "invitation_sent",
            Self::InvitationReceived => "invitation_received",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Contact,
            Self::InvitationSent,
            Self::InvitationReceived,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}

/// How long nothing more is taken from who was declined `times` times; `None`: until the other side
/// invites them.
pub const fn quarantine(times: u32) -> Option<Duration> {
    const DAY: u64 = 24 * 3_600;
    match times {
        0 => Some(Duration::ZERO),
        1 => Some(Duration::from_secs(30 * DAY)),
        2 => Some(Duration::from_secs(90 * DAY)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_decline_makes_the_wait_longer_and_the_third_is_the_last_word() {
        assert!(quarantine(1) < quarantine(2));
        assert_eq!(quarantine(3), None);
        assert_eq!(quarantine(u32::MAX), None);
    }
}
