use ids::UserId;

/// A member of a conversation, now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub user: UserId,
    pub role: Role,
    pub joined_at_unix_ms: u64,
}

/// What somebody is in a group; the later ones are above the earlier ones. In a direct conversation both
/// are [`Role::Member`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Member,
    Admin,
    Owner,
}

/// What not every member may do in a group. `docs/groups.md` has the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Name, description, picture.
    Describe,
    ChangeVisibility,
    AddMembers,
    /// Make, list and revoke them.
    Invite,
    /// Take out somebody of this role.
    Remove(Role),
    /// Give somebody another role; stepping down oneself is free.
    ChangeRole,
    OpenHistory,
    Delete,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Member, Self::Admin, Self::Owner];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }

    /// From the spelling of [`Role::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether this role allows it.
    #[must_use]
    pub const fn may(self, action: Action) -> bool {
        match self {
            Self::Owner => true,
            Self::Admin => matches!(
                action,
                Action::Describe
                    | Action::AddMembers
                    | Action::Invite
                    | Action::Remove(Self::Member)
            ),
            Self::Member => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_above_may_remove_but_owners_are_equals() {
        let allowed: Vec<_> = Role::ALL
            .into_iter()
            .flat_map(|actor| Role::ALL.map(|target| (actor, target)))
            .filter(|(actor, target)| actor.may(Action::Remove(*target)))
            .collect();
        assert_eq!(
            allowed,
            [
                (Role::Admin, Role::Member),
                (Role::Owner, Role::Member),
                (Role::Owner, Role::Admin),
                (Role::Owner, Role::Owner),
            ]
        );
    }
}
