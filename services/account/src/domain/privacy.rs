//! What people allow each other, and what follows from it.

/// Who may open a one-to-one conversation with somebody, or add them to a group. Contacts always may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayWrite {
    Everybody,
    SharedGroups,
    Contacts,
}

/// Who sees whether somebody is online. Contacts do, unless nobody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresenceVisibility {
    SharedConversations,
    Contacts,
    Nobody,
}

/// A person's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Privacy {
    pub may_write: MayWrite,
    pub presence_visibility: PresenceVisibility,
    pub found_by_handle: bool,
    pub found_by_email: bool,
    pub found_by_name: bool,
}

/// As a new member of an organisation would want it: to be found and written to.
impl Default for Privacy {
    fn default() -> Self {
        Self {
            may_write: MayWrite::Everybody,
            presence_visibility: PresenceVisibility::SharedConversations,
            found_by_handle: true,
            found_by_email: true,
            found_by_name: true,
        }
    }
}

/// What to change; `None`: as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PrivacyChange {
    pub may_write: Option<MayWrite>,
    pub presence_visibility: Option<PresenceVisibility>,
    pub found_by_handle: Option<bool>,
    pub found_by_email: Option<bool>,
    pub found_by_name: Option<bool>,
}

impl Privacy {
    #[must_use]
    pub fn changed(self, change: PrivacyChange) -> Self {
        Self {
            may_write: change.may_write.unwrap_or(self.may_write),
            presence_visibility: change
                .presence_visibility
                .unwrap_or(self.presence_visibility),
            found_by_handle: change.found_by_handle.unwrap_or(self.found_by_handle),
            found_by_email: change.found_by_email.unwrap_or(self.found_by_email),
            found_by_name: change.found_by_name.unwrap_or(self.found_by_name),
        }
    }
}

impl MayWrite {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::SharedGroups => "shared_groups",
            Self::Contacts => "contacts",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Everybody, Self::SharedGroups, Self::Contacts]
            .into_iter()
            .find(|value| value.as_str() == text)
    }
}

impl PresenceVisibility {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SharedConversations => "shared_conversations",
            Self::Contacts => "contacts",
            Self::Nobody => "nobody",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::SharedConversations, Self::Contacts, Self::Nobody]
            .into_iter()
            .find(|value| value.as_str() == text)
    }
}

/// How two people stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// It is the same person.
    Oneself,
    /// One of them has blocked the other.
    Blocked,
    Contacts,
    Strangers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    Allowed,
    Refused,
    /// If both are in a group, which is not known here.
    IfSharedGroup,
    /// If both are in any conversation.
    IfSharedConversation,
}

/// What a person and an other may do towards each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions {
    /// The person may open a one-to-one conversation with the other, or add them to a group.
    pub write: Permission,
    /// Each may let the other see that they are typing.
    pub typing: Permission,
    /// The person may see the other's presence.
    pub see_presence: Permission,
    /// The other may see the person's presence.
    pub show_presence: Permission,
}

impl Permissions {
    #[must_use]
    pub const fn between(person: Privacy, other: Privacy, relation: Relation) -> Self {
        Self {
            write: write(other.may_write, relation),
            typing: match relation {
                Relation::Blocked => Permission::Refused,
                _ => Permission::Allowed,
            },
            see_presence: presence(other.presence_visibility, relation),
            show_presence: presence(person.presence_visibility, relation),
        }
    }
}

const fn write(of_other: MayWrite, relation: Relation) -> Permission {
    match (relation, of_other) {
        (Relation::Blocked, _) => Permission::Refused,
        (Relation::Oneself | Relation::Contacts, _) | (_, MayWrite::Everybody) => {
            Permission::Allowed
        }
        (Relation::Strangers, MayWrite::SharedGroups) => Permission::IfSharedGroup,
        (Relation::Strangers, MayWrite::Contacts) => Permission::Refused,
    }
}

const fn presence(of_whom: PresenceVisibility, relation: Relation) -> Permission {
    match (relation, of_whom) {
        (Relation::Oneself, _) => Permission::Allowed,
        (Relation::Blocked, _) | (_, PresenceVisibility::Nobody) => Permission::Refused,
        (Relation::Contacts, _) => Permission::Allowed,
        (Relation::Strangers, PresenceVisibility::SharedConversations) => {
            Permission::IfSharedConversation
        }
        (Relation::Strangers, PresenceVisibility::Contacts) => Permission::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITES: [MayWrite; 3] = [
        MayWrite::Everybody,
        MayWrite::SharedGroups,
        MayWrite::Contacts,
    ];
    const PRESENCES: [PresenceVisibility; 3] = [
        PresenceVisibility::SharedConversations,
        PresenceVisibility::Contacts,
        PresenceVisibility::Nobody,
    ];

    fn privacy(may_write: MayWrite, presence_visibility: PresenceVisibility) -> Privacy {
        Privacy {
            may_write,
            presence_visibility,
            ..Privacy::default()
        }
    }

    #[test]
    fn a_block_refuses_everything_whatever_the_settings() {
        for may_write in WRITES {
            for presence in PRESENCES {
                let settings = privacy(may_write, presence);
                let permissions = Permissions::between(settings, settings, Relation::Blocked);
                for permission in [
                    permissions.write,
                    permissions.typing,
                    permissions.see_presence,
                    permissions.show_presence,
                ] {
                    assert_eq!(permission, Permission::Refused);
                }
            }
        }
    }

    #[test]
    fn contacts_may_write_and_see_unless_nobody_may() {
        for may_write in WRITES {
            for presence in PRESENCES {
                let other = privacy(may_write, presence);
                let person = Privacy::default();
                let permissions = Permissions::between(person, other, Relation::Contacts);
                assert_eq!(permissions.write, Permission::Allowed);
                let seen = if presence == PresenceVisibility::Nobody {
                    Permission::Refused
                } else {
                    Permission::Allowed
                };
                assert_eq!(permissions.see_presence, seen);
                assert_eq!(permissions.show_presence, Permission::Allowed);
            }
        }
    }

    #[test]
    fn it_is_the_setting_of_who_is_written_to_or_seen_that_counts() {
        let open = Privacy::default();
        let closed = privacy(MayWrite::Contacts, PresenceVisibility::Contacts);
        let towards_closed = Permissions::between(open, closed, Relation::Strangers);
        assert_eq!(towards_closed.write, Permission::Refused);
        assert_eq!(towards_closed.see_presence, Permission::Refused);
        assert_eq!(
            towards_closed.show_presence,
            Permission::IfSharedConversation
        );
        let towards_open = Permissions::between(closed, open, Relation::Strangers);
        assert_eq!(towards_open.write, Permission::Allowed);
        assert_eq!(towards_open.show_presence, Permission::Refused);
    }
}
