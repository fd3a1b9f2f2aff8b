//! Nothing overtakes a frame that has to be sent again.

use ids::ConversationId;

/// Most conversations of one connection that are remembered as blocked. A client that honours
/// `retry` has a few; one that doesn't only spoils the order of its own messages.
const MAX_BLOCKED: usize = 256;

/// The conversations of one connection in which a frame was refused with `retry`.
///
/// Later frames of such a conversation are refused too, until the client's outbox starts again from
/// its oldest unanswered frame: else the second message would get its number before the first.
#[derive(Debug, Default)]
pub struct Outbox {
    blocked: Vec<ConversationId>,
}

impl Outbox {
    /// Whether a frame may go to the log. The first frame of a new start lifts the block.
    pub fn admits(&mut self, conversation: ConversationId, restart: bool) -> bool {
        let Some(at) = self.blocked.iter().position(|id| *id == conversation) else {
            return true;
        };
        if restart {
            self.blocked.swap_remove(at);
        }
        restart
    }

    /// A frame of this conversation was refused with `retry`.
    pub fn block(&mut self, conversation: ConversationId) {
        if self.blocked.contains(&conversation) {
            return;
        }
        if self.blocked.len() == MAX_BLOCKED {
            self.blocked.swap_remove(0);
        }
        self.blocked.push(conversation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConversationId = ConversationId::from_bytes([1; 16]);
    const B: ConversationId = ConversationId::from_bytes([2; 16]);

    #[test]
    fn after_a_failure_later_frames_wait_for_the_outbox_to_start_again() {
        let mut outbox = Outbox::default();
        assert!(outbox.admits(A, false));
        outbox.block(A);
        assert!(!outbox.admits(A, false), "would overtake the failed one");
        assert!(outbox.admits(B, false), "another conversation goes on");
        assert!(outbox.admits(A, true), "the outbox starts again");
        assert!(outbox.admits(A, false), "and goes on");
    }

    #[test]
    fn a_restart_that_fails_blocks_again() {
        let mut outbox = Outbox::default();
        outbox.block(A);
        assert!(outbox.admits(A, true));
        outbox.block(A);
        assert!(!outbox.admits(A, false));
        assert!(outbox.admits(A, true));
    }

    #[test]
    fn memory_is_bounded() {
        let mut outbox = Outbox::default();
        for n in 0..=MAX_BLOCKED as u128 * 2 {
            outbox.block(ConversationId::from_bytes(n.to_be_bytes()));
        }
        assert_eq!(outbox.blocked.len(), MAX_BLOCKED);
    }
}
