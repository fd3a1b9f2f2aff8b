use ids::UserId;

use super::conversation::{Pair, SamePerson};

/// What somebody decided about somebody else, as the account service tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    blocker: UserId,
    pair: Pair,
    version: u64,
    state: BlockState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockState {
    Blocked,
    NotBlocked,
}

impl BlockState {
    pub(crate) const fn of(active: bool) -> Self {
        if active {
            Self::Blocked
        } else {
            Self::NotBlocked
        }
    }
}

impl Block {
    /// # Errors
    /// [`SamePerson`] when both are the same.
    pub fn new(
        blocker: UserId,
        blocked: UserId,
        version: u64,
        state: BlockState,
    ) -> Result<Self, SamePerson> {
        Ok(Self {
            blocker,
            pair: Pair::of(blocker, blocked)?,
            version,
            state,
        })
    }

    #[must_use]
    pub const fn blocker(self) -> UserId {
        self.blocker
    }

    #[must_use]
    pub fn blocked(self) -> UserId {
        self.pair.peer_of(self.blocker)
    }

    #[must_use]
    pub const fn pair(self) -> Pair {
        self.pair
    }

    /// The newest one wins: 1, 2, 3, … per blocker and blocked.
    #[must_use]
    pub const fn version(self) -> u64 {
        self.version
    }

    #[must_use]
    pub const fn state(self) -> BlockState {
        self.state
    }
}
