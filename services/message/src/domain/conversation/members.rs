//! Who is a member, and as what.

use std::collections::BTreeSet;

use ids::UserId;
use proto::socket::{
    Created, GroupDeleted, HistoryOpened, Joined, Left, PictureChanged, Renamed, RoleChanged, entry,
};

use super::applied::{Applied, Position, Rows, Told};
use super::{Conversation, Weight};
use crate::domain::membership::{MemberEvent, MemberRow, Membership, MembershipEvent, Role};

impl Conversation {
    /// Applies a change of membership. A version that was passed changes nothing.
    pub fn change_membership(
        &mut self,
        position: Position,
        time_unix_ms: i64,
        membership: &Membership,
    ) -> Applied {
        self.advance(position, time_unix_ms);
        if membership.version <= self.membership_version {
            return Applied::nothing();
        }
        self.membership_version = membership.version;
        let row = |user: UserId, event: MemberEvent| MemberRow {
            user,
            position,
            number: 0,
            event,
        };
        // What an entry says, and what of it is kept of whom.
        let (change, mut rows) = match &membership.change {
            MembershipEvent::Created { members, owner } => {
                let users: BTreeSet<UserId> = members
                    .iter()
                    .filter(|user| !self.members.contains_key(user))
                    .copied()
                    .collect();
                let role = |user| match owner {
                    Some(owner) if *owner == user => Role::Owner,
                    _ => Role::Member,
                };
                let change = entry::Change::Created(Created {
                    member_ids: users.iter().map(ToString::to_string).collect(),
                });
                let rows = users
                    .into_iter()
                    .map(|user| row(user, MemberEvent::Joined(role(user))))
                    .collect();
                (change, rows)
            }
            MembershipEvent::Joined(user, _) if self.members.contains_key(user) => {
                return Applied::nothing();
            }
            MembershipEvent::Joined(user, role) => (
                entry::Change::Joined(Joined {
                    user_id: user.to_string(),
                }),
                vec![row(*user, MemberEvent::Joined(*role))],
            ),
            MembershipEvent::Left(user)
            | MembershipEvent::RoleChanged(user, _)
            | MembershipEvent::HistoryOpened { user, .. }
                if !self.members.contains_key(user) =>
            {
                return Applied::nothing();
            }
            MembershipEvent::Left(user) => (
                entry::Change::Left(Left {
                    user_id: user.to_string(),
                }),
                vec![row(*user, MemberEvent::Left)],
            ),
            MembershipEvent::RoleChanged(user, role) => (
                entry::Change::RoleChanged(RoleChanged {
                    user_id: user.to_string(),
                    role: role.as_str().to_owned(),
                }),
                vec![row(*user, MemberEvent::RoleChanged(*role))],
            ),
            MembershipEvent::HistoryOpened { user, from_number } => {
                let from_number = (*from_number).max(1);
                (
                    entry::Change::HistoryOpened(HistoryOpened {
                        user_id: user.to_string(),
                        from_number,
                    }),
                    vec![row(*user, MemberEvent::HistoryOpened(from_number))],
                )
            }
            MembershipEvent::Renamed(name) => (
                entry::Change::Renamed(Renamed { name: name.clone() }),
                vec![row(membership.actor, MemberEvent::OfConversation)],
            ),
            MembershipEvent::PictureChanged(picture) => (
                entry::Change::PictureChanged(PictureChanged {
                    picture: picture.clone(),
                }),
                vec![row(membership.actor, MemberEvent::OfConversation)],
            ),
            MembershipEvent::Deleted if self.members.is_empty() => return Applied::nothing(),
            MembershipEvent::Deleted => {
                let everybody = self.members.keys();
                let rows = everybody
                    .map(|user| row(*user, MemberEvent::Left))
                    .collect();
                (entry::Change::GroupDeleted(GroupDeleted {}), rows)
            }
            MembershipEvent::Blocked(user) => {
                return self.note_silently(row(*user, MemberEvent::Blocked));
            }
            MembershipEvent::Unblocked(user) => {
                return self.note_silently(row(*user, MemberEvent::Unblocked));
            }
            MembershipEvent::SettingsChanged { user, version } => {
                return Applied {
                    rows: Rows::default(),
                    told: Told::Settings {
                        user: *user,
                        version: *version,
                    },
                };
            }
        };
        let entry = self.number(time_unix_ms, membership.actor, Weight::Shown, change);
        // Who comes is told of it, and who leaves still sees that they left.
        let mut to: BTreeSet<UserId> = self.members.keys().copied().collect();
        for row in &mut rows {
            row.number = entry.number;
            self.take_in(row);
            self.recent.forget(row.user);
        }
        to.extend(self.members.keys());
        Applied {
            rows: Rows {
                members: rows,
                ..Rows::of_entry(&entry, position, None)
            },
            told: Told::Entry {
                to: to.into_iter().collect(),
                entry,
            },
        }
    }

    /// Keeps what nobody is told.
    fn note_silently(&mut self, row: MemberRow) -> Applied {
        self.take_in(&row);
        Applied {
            rows: Rows {
                members: vec![row],
                ..Rows::default()
            },
            told: Told::Nothing,
        }
    }
}
