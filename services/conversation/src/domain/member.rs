use ids::UserId;

/// A member of a conversation, now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub user: UserId,
    pub role: Role,
    pub joined_at_unix_ms: u64,
}

/// What somebody may do in a group. In a direct conversation both are [`Role::Member`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Owner,
    Admin,
    Member,
}

impl Role {
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
        [Self::Owner, Self::Admin, Self::Member]
            .into_iter()
            .find(|role| role.as_str() == text)
    }

    /// Whether one with this role may remove somebody else with `other`'s: an owner anybody, an admin
    /// members only.
    #[must_use]
    pub const fn may_remove(self, other: Self) -> bool {
        match self {
            Self::Owner => true,
            Self::Admin => matches!(other, Self::Member),
            Self::Member => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_above_may_remove() {
        let allowed: Vec<_> = [Role::Owner, Role::Admin, Role::Member]
            .into_iter()
            .flat_map(|actor| {
                [Role::Owner, Role::Admin, Role::Member].map(|target| (actor, target))
            })
            .filter(|(actor, target)| actor.may_remove(*target))
            .collect();
        assert_eq!(
            allowed,
            [
                (Role::Owner, Role::Owner),
                (Role::Owner, Role::Admin),
                (Role::Owner, Role::Member),
                (Role::Admin, Role::Member),
            ]
        );
    }
}
