//! What a member wants for themselves of a conversation.

/// A member's own settings of one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Grows with every change; 0: never changed.
    pub version: u64,
    pub mute: Mute,
    pub archived: bool,
    /// From the top; `None`: not pinned.
    pub pin_position: Option<u32>,
}

/// Whether a conversation may make itself heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mute {
    Off,
    /// Unix milliseconds; in the past, it is over.
    Until(u64),
    Forever,
}

/// What to change; `None` stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SettingsChanges {
    pub mute: Option<Mute>,
    pub archived: Option<bool>,
    pub pinned: Option<bool>,
}

/// Which conversations a list shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Filter {
    #[default]
    All,
    /// Not archived.
    Active,
    Archived,
    /// In the order of the pins, not of activity.
    Pinned,
}

impl Filter {
    /// Whether a conversation with these settings is shown.
    #[must_use]
    pub const fn shows(self, settings: &Settings) -> bool {
        match self {
            Self::All => true,
            Self::Active => !settings.archived,
            Self::Archived => settings.archived,
            Self::Pinned => settings.pin_position.is_some(),
        }
    }
}

/// Conversations that somebody may have pinned at once.
pub const MAX_PINS: usize = 50;

/// How somebody asks to be left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MuteKind {
    Off,
    Until,
    Forever,
}

/// The end of a mute is missing, is over, or has no mute that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a mute has an end, in the future, if and only if it is until then")]
pub struct InvalidMuteEnd;

impl Mute {
    /// # Errors
    /// [`InvalidMuteEnd`] unless there is an end in the future for `until`, and none for the others.
    pub const fn new(
        kind: MuteKind,
        until_unix_ms: Option<u64>,
        now_unix_ms: u64,
    ) -> Result<Self, InvalidMuteEnd> {
        match (kind, until_unix_ms) {
            (MuteKind::Off, None) => Ok(Self::Off),
            (MuteKind::Forever, None) => Ok(Self::Forever),
            (MuteKind::Until, Some(until)) if until > now_unix_ms => Ok(Self::Until(until)),
            _ => Err(InvalidMuteEnd),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mute_until_a_time_has_an_end() {
        assert_eq!(
            Mute::new(MuteKind::Until, Some(11), 10),
            Ok(Mute::Until(11))
        );
        assert_eq!(Mute::new(MuteKind::Forever, None, 10), Ok(Mute::Forever));
        for (kind, until) in [
            (MuteKind::Until, None),
            (MuteKind::Until, Some(10)),
            (MuteKind::Off, Some(11)),
            (MuteKind::Forever, Some(11)),
        ] {
            assert_eq!(Mute::new(kind, until, 10), Err(InvalidMuteEnd));
        }
    }
}
