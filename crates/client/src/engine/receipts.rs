//! How far others have got in one conversation.

use std::collections::HashMap;

use ids::{ConversationId, UserId};
use proto::socket::Receipt;

use super::{Action, Update, tell};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Reached {
    delivered: u64,
    read: u64,
}

#[derive(Debug, Default)]
pub(super) struct Receipts {
    told: HashMap<UserId, Reached>,
    /// Those that came before what they are about, and the time of each.
    waiting: HashMap<UserId, (Reached, i64)>,
}

impl Receipts {
    /// Watermarks only grow, whatever order they come in.
    pub(super) fn take(&mut self, user: UserId, receipt: &Receipt) {
        let told = self.told.get(&user).copied().unwrap_or_default();
        let (known, time_unix_ms) = self.waiting.get(&user).copied().unwrap_or((told, 0));
        let reached = Reached {
            delivered: known.delivered.max(receipt.delivered_number),
            read: known.read.max(receipt.read_number),
        };
        if reached != known {
            let time_unix_ms = time_unix_ms.max(receipt.time_unix_ms);
            self.waiting.insert(user, (reached, time_unix_ms));
        }
    }

    /// Tells what is about nothing above `held`.
    pub(super) fn tell(&mut self, id: ConversationId, held: u64, out: &mut Vec<Action>) {
        let told = &mut self.told;
        self.waiting.retain(|user, (reached, time_unix_ms)| {
            if reached.delivered.max(reached.read) > held {
                return true;
            }
            told.insert(*user, *reached);
            tell(
                out,
                Update::Receipt {
                    conversation: id,
                    user: *user,
                    delivered: reached.delivered,
                    read: reached.read,
                    time_unix_ms: *time_unix_ms,
                },
            );
            false
        });
    }
}
