//! What the log has to be told so that it knows what is kept here: after it lost its end, or after one of
//! the two was restored from a backup.

use std::collections::{BTreeMap, BTreeSet};

use ids::UserId;

use super::block::BlockState;
use super::member::Role;

/// A conversation's membership as it is kept here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub kind: KeptKind,
    pub members: BTreeMap<UserId, KeptMember>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptKind {
    /// With those of the two who block the other. Nobody leaves it but with their account.
    Direct {
        blockers: BTreeSet<UserId>,
    },
    Group,
    DeletedGroup,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptMember {
    pub role: Role,
    /// The owner lets them see from this number on.
    pub history_from: Option<u64>,
}

/// The same as the log has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logged {
    /// Of the last change that it applied; 0: it knows no such conversation.
    pub version: u64,
    pub members: BTreeMap<UserId, LoggedMember>,
    pub blockers: BTreeSet<UserId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggedMember {
    pub role: Role,
    /// The first number that they may see.
    pub sees_from: u64,
}

/// A change that the log has to learn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    Created {
        members: Vec<UserId>,
        owner: Option<UserId>,
    },
    Joined(UserId, Role),
    Left(UserId),
    /// Left a one-to-one, which only who has no account any more does.
    AccountDeleted(UserId),
    RoleChanged(UserId, Role),
    HistoryOpened {
        user: UserId,
        from_number: u64,
    },
    BlockChanged(UserId, BlockState),
    Deleted,
}

impl Missing {
    /// Whom it is about, where it is about one.
    #[must_use]
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::Created { owner, .. } => *owner,
            Self::Joined(user, _)
            | Self::Left(user)
            | Self::AccountDeleted(user)
            | Self::RoleChanged(user, _)
            | Self::HistoryOpened { user, .. }
            | Self::BlockChanged(user, _) => Some(*user),
            Self::Deleted => None,
        }
    }
}

/// The changes after which the log has what is kept, in their order. None of them does harm where a change
/// that was on its way says the same.
#[must_use]
pub fn missing(kept: &Kept, logged: &Logged) -> Vec<Missing> {
    let mut changes = Vec::new();
    if kept.kind == KeptKind::DeletedGroup {
        if !logged.members.is_empty() {
            changes.push(Missing::Deleted);
        }
        return changes;
    }
    let mut known = logged.members.clone();
    if logged.version == 0 {
        known = begin(kept, &mut changes);
    }
    for (user, member) in &kept.members {
        let role = known.get(user).map(|known| known.role);
        match role {
            None => changes.push(Missing::Joined(*user, member.role)),
            Some(role) if role != member.role => {
                changes.push(Missing::RoleChanged(*user, member.role));
            }
            Some(_) => {}
        }
        // Who comes sees from there on.
        let sees_from = known.get(user).map_or(u64::MAX, |known| known.sees_from);
        if let Some(from_number) = member.history_from.filter(|from| *from < sees_from) {
            changes.push(Missing::HistoryOpened {
                user: *user,
                from_number,
            });
        }
    }
    for user in known.keys().filter(|user| !kept.members.contains_key(user)) {
        changes.push(match kept.kind {
            KeptKind::Direct { .. } => Missing::AccountDeleted(*user),
            KeptKind::Group | KeptKind::DeletedGroup => Missing::Left(*user),
        });
    }
    if let KeptKind::Direct { blockers } = &kept.kind {
        for user in blockers.difference(&logged.blockers) {
            changes.push(Missing::BlockChanged(*user, BlockState::Blocked));
        }
        for user in logged.blockers.difference(blockers) {
            changes.push(Missing::BlockChanged(*user, BlockState::NotBlocked));
        }
    }
    changes
}

/// Makes the conversation in the log, unless nobody is in it, and returns who is in it then.
fn begin(kept: &Kept, changes: &mut Vec<Missing>) -> BTreeMap<UserId, LoggedMember> {
    if kept.members.is_empty() {
        return BTreeMap::new();
    }
    let owner = kept
        .members
        .iter()
        .find(|(_, member)| member.role == Role::Owner)
        .map(|(user, _)| *user);
    changes.push(Missing::Created {
        members: kept.members.keys().copied().collect(),
        owner,
    });
    let known = |user: &UserId| LoggedMember {
        role: if owner == Some(*user) {
            Role::Owner
        } else {
            Role::Member
        },
        // There is nothing before it.
        sees_from: 1,
    };
    kept.members
        .keys()
        .map(|user| (*user, known(user)))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ADA: UserId = UserId::from_bytes([1; 16]);
    const BEN: UserId = UserId::from_bytes([2; 16]);
    const CY: UserId = UserId::from_bytes([3; 16]);

    fn role() -> impl Strategy<Value = Role> {
        prop_oneof![Just(Role::Member), Just(Role::Admin), Just(Role::Owner)]
    }

    fn user() -> impl Strategy<Value = UserId> {
        (1..8_u8).prop_map(|byte| UserId::from_bytes([byte; 16]))
    }

    fn kept() -> impl Strategy<Value = Kept> {
        let member = (role(), proptest::option::of(1..20_u64));
        let members = proptest::collection::btree_map(user(), member, 0..6);
        (
            members,
            0..4_u8,
            proptest::collection::btree_set(user(), 0..3),
        )
            .prop_map(|(members, kind, blockers)| Kept {
                kind: match kind {
                    0 => KeptKind::Direct { blockers },
                    1 => KeptKind::DeletedGroup,
                    _ => KeptKind::Group,
                },
                members: if kind == 1 {
                    BTreeMap::new()
                } else {
                    members
                        .into_iter()
                        .map(|(user, (role, history_from))| {
                            (user, KeptMember { role, history_from })
                        })
                        .collect()
                },
            })
    }

    fn logged() -> impl Strategy<Value = Logged> {
        let members = proptest::collection::btree_map(user(), (role(), 1..20_u64), 0..6);
        (members, proptest::collection::btree_set(user(), 0..3)).prop_map(|(members, blockers)| {
            Logged {
                version: 1,
                members: members
                    .into_iter()
                    .map(|(user, (role, sees_from))| (user, LoggedMember { role, sees_from }))
                    .collect(),
                blockers,
            }
        })
    }

    /// As the log applies them.
    fn apply(logged: &mut Logged, change: &Missing) {
        const HERE: u64 = 50;
        let come = |role| LoggedMember {
            role,
            sees_from: HERE,
        };
        match change {
            Missing::Created { members, owner } => {
                for user in members {
                    let role = if *owner == Some(*user) {
                        Role::Owner
                    } else {
                        Role::Member
                    };
                    logged
                        .members
                        .entry(*user)
                        .or_insert(LoggedMember { role, sees_from: 1 });
                }
            }
            Missing::Joined(user, role) => {
                logged.members.entry(*user).or_insert(come(*role));
            }
            Missing::Left(user) | Missing::AccountDeleted(user) => {
                logged.members.remove(user);
            }
            Missing::RoleChanged(user, role) => {
                logged.members.get_mut(user).unwrap().role = *role;
            }
            Missing::HistoryOpened { user, from_number } => {
                let member = logged.members.get_mut(user).unwrap();
                member.sees_from = member.sees_from.min(*from_number);
            }
            Missing::BlockChanged(user, BlockState::Blocked) => {
                logged.blockers.insert(*user);
            }
            Missing::BlockChanged(user, BlockState::NotBlocked) => {
                logged.blockers.remove(user);
            }
            Missing::Deleted => logged.members.clear(),
        }
        logged.version += 1;
    }

    proptest! {
        #[test]
        fn afterwards_the_log_has_what_is_kept_and_nothing_is_missing(
            kept in kept(),
            before in prop_oneof![Just(Logged::default()), logged()],
        ) {
            let mut logged = before;
            for change in missing(&kept, &logged.clone()) {
                apply(&mut logged, &change);
            }
            let roles = |members: &BTreeMap<UserId, LoggedMember>| -> Vec<_> {
                members.iter().map(|(user, member)| (*user, member.role)).collect()
            };
            let wanted: Vec<_> =
                kept.members.iter().map(|(user, member)| (*user, member.role)).collect();
            prop_assert_eq!(roles(&logged.members), wanted);
            for (user, member) in &kept.members {
                let from = member.history_from.unwrap_or(u64::MAX);
                prop_assert!(logged.members[user].sees_from <= from);
            }
            if let KeptKind::Direct { blockers } = &kept.kind {
                prop_assert_eq!(&logged.blockers, blockers);
            }
            if logged.version > 0 {
                prop_assert_eq!(missing(&kept, &logged), []);
            }
        }
    }

    #[test]
    fn only_what_differs_is_told() {
        let member = |role| KeptMember {
            role,
            history_from: None,
        };
        let kept = Kept {
            kind: KeptKind::Group,
            members: [(ADA, member(Role::Owner)), (BEN, member(Role::Admin))].into(),
        };
        let known = |role| LoggedMember { role, sees_from: 3 };
        let logged = Logged {
            version: 7,
            members: [
                (ADA, known(Role::Owner)),
                (BEN, known(Role::Member)),
                (CY, known(Role::Member)),
            ]
            .into(),
            blockers: BTreeSet::new(),
        };
        assert_eq!(
            missing(&kept, &logged),
            [Missing::RoleChanged(BEN, Role::Admin), Missing::Left(CY)]
        );
    }
}
