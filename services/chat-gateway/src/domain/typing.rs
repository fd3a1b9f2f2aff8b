//! Who types where: merged, so that a keyboard costs no more than a hint every few seconds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ids::{ConversationId, UserId};

/// How long typing is shown unless it is said again, in milliseconds: two repetitions of a client.
pub const SHOWN_FOR_MS: u32 = 6_000;
/// Most members of a conversation that are told.
pub const MAX_AUDIENCE: u32 = 100;

/// `started` that follows another within this adds nothing, in milliseconds. A client says it every 3 s.
const REPEAT_MS: u64 = 2_500;
/// `started` that follows `stopped` within this is left for its repetition, in milliseconds.
const RESTART_MS: u64 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typing {
    Started,
    Stopped,
}

/// Neither `started` nor `stopped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A state of typing is `started` or `stopped`.")]
pub struct InvalidTyping;

impl Typing {
    /// # Errors
    /// [`InvalidTyping`].
    pub fn parse(text: &str) -> Result<Self, InvalidTyping> {
        match text {
            "started" => Ok(Self::Started),
            "stopped" => Ok(Self::Stopped),
            _ => Err(InvalidTyping),
        }
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
        }
    }

    /// How long it is shown, in milliseconds.
    #[must_use]
    pub const fn shown_for_ms(self) -> u32 {
        match self {
            Self::Started => SHOWN_FOR_MS,
            Self::Stopped => 0,
        }
    }
}

/// Who in which conversation.
type Typist = (UserId, ConversationId);

/// What was told last of each who types.
#[derive(Debug, Default)]
pub struct Typists {
    told: Mutex<HashMap<Typist, (Typing, u64)>>,
}

impl Typists {
    /// Whether others are to be told.
    pub fn note(&self, typist: Typist, typing: Typing, now_ms: u64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let tell = match (told.get(&typist), typing) {
            (Some((Typing::Started, at)), Typing::Started) => now_ms >= at + REPEAT_MS,
            (Some((Typing::Stopped, at)), Typing::Started) => now_ms >= at + RESTART_MS,
            (None, Typing::Started) => true,
            // Nobody shows anything any more after the time is over.
            (Some((Typing::Started, at)), Typing::Stopped) => now_ms < at + u64::from(SHOWN_FOR_MS),
            (_, Typing::Stopped) => false,
        };
        if tell {
            told.insert(typist, (typing, now_ms));
        }
        tell
    }

    /// Forgets those of whom nothing is shown any more.
    pub fn forget(&self, now_ms: u64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, (_, at)| now_ms < *at + u64::from(SHOWN_FOR_MS));
        told.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Typist = (
        UserId::from_bytes([1; 16]),
        ConversationId::from_bytes([2; 16]),
    );

    #[test]
    fn a_keyboard_is_a_hint_every_few_seconds() {
        let typists = Typists::default();
        let told = (0..90)
            .filter(|n| typists.note(ANN, Typing::Started, n * 100))
            .count();
        assert_eq!(told, 4, "at 0, 2.5, 5 and 7.5 seconds");
    }

    #[test]
    fn a_stop_goes_at_once_and_only_after_a_start() {
        let typists = Typists::default();
        assert!(!typists.note(ANN, Typing::Stopped, 0));
        assert!(typists.note(ANN, Typing::Started, 1));
        assert!(typists.note(ANN, Typing::Stopped, 2));
        assert!(!typists.note(ANN, Typing::Stopped, 3));
        assert!(!typists.note(ANN, Typing::Started, 900), "flapping");
        assert!(typists.note(ANN, Typing::Started, 1_002));
        assert!(
            !typists.note(ANN, Typing::Stopped, 7_002),
            "nobody shows it any more"
        );
    }

    #[test]
    fn others_and_other_conversations_are_apart() {
        let typists = Typists::default();
        assert!(typists.note(ANN, Typing::Started, 0));
        assert!(typists.note((UserId::from_bytes([9; 16]), ANN.1), Typing::Started, 0));
        let elsewhere = (ANN.0, ConversationId::from_bytes([9; 16]));
        assert!(typists.note(elsewhere, Typing::Started, 0));
    }

    #[test]
    fn memory_is_given_back() {
        let typists = Typists::default();
        typists.note(ANN, Typing::Started, 0);
        typists.forget(5_999);
        assert_eq!(typists.told.lock().unwrap().len(), 1);
        typists.forget(6_000);
        assert!(typists.told.lock().unwrap().is_empty());
    }
}
