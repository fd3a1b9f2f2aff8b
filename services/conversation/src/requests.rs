//! What people ask for, read into the domain: the same for REST and gRPC, every fault at once.

use std::fmt::Display;

use ids::{ConversationId, FileId, InvitationId, UserId};
use problem::{Fields, Result};
use time::OffsetDateTime;

use crate::domain::conversation::{GroupChanges, Picture, Visibility};
use crate::domain::description::Description;
use crate::domain::group_name::{GroupName, GroupNamePrefix};
use crate::domain::invitation::{Lifetime, MaxUses};
use crate::domain::page::{Cursor, InvalidCursor, MemberCursor, NameCursor, PageSize};
use crate::domain::report::{Period, parse_day};
use crate::domain::settings::{Mute, MuteKind, SettingsChanges};
use crate::store::conversations::NewGroup;

fn one<T, E: Display>(
    field: &str,
    code: &'static str,
    parsed: std::result::Result<T, E>,
) -> Result<T> {
    let mut fields = Fields::default();
    fields
        .parse(field, code, parsed)
        .ok_or_else(|| fields.into_problem())
}

pub(crate) fn conversation_id(text: &str) -> Result<ConversationId> {
    one(
        "conversation_id",
        "conversation_id_invalid",
        ConversationId::parse(text),
    )
}

pub(crate) fn user_id(text: &str) -> Result<UserId> {
    one("user_id", "user_id_invalid", UserId::parse(text))
}

pub(crate) fn group_name(text: &str) -> Result<GroupName> {
    one("name", "group_name_invalid", GroupName::parse(text))
}

/// A member of a conversation.
pub(crate) fn member(conversation: &str, user: &str) -> Result<(ConversationId, UserId)> {
    let mut fields = Fields::default();
    let conversation = fields.parse(
        "conversation_id",
        "conversation_id_invalid",
        ConversationId::parse(conversation),
    );
    let user = fields.parse("user_id", "user_id_invalid", UserId::parse(user));
    conversation.zip(user).ok_or_else(|| fields.into_problem())
}

/// An invitation to a conversation.
pub(crate) fn invitation_to(
    conversation: &str,
    invitation: &str,
) -> Result<(ConversationId, InvitationId)> {
    let mut fields = Fields::default();
    let conversation = fields.parse(
        "conversation_id",
        "conversation_id_invalid",
        ConversationId::parse(conversation),
    );
    let invitation = fields.parse(
        "invitation_id",
        "invitation_id_invalid",
        InvitationId::parse(invitation),
    );
    conversation
        .zip(invitation)
        .ok_or_else(|| fields.into_problem())
}

/// Each faulty one under its place.
fn users(fields: &mut Fields, field: &str, texts: &[String]) -> Option<Vec<UserId>> {
    let parsed: Vec<Option<UserId>> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            fields.parse(
                format!("{field}[{index}]"),
                "user_id_invalid",
                UserId::parse(text),
            )
        })
        .collect();
    parsed.into_iter().collect()
}

pub(crate) fn user_ids(texts: &[String]) -> Result<Vec<UserId>> {
    let mut fields = Fields::default();
    users(&mut fields, "user_ids", texts).ok_or_else(|| fields.into_problem())
}

pub(crate) fn conversation_ids(texts: &[String]) -> Result<Vec<ConversationId>> {
    let mut fields = Fields::default();
    let parsed: Vec<Option<ConversationId>> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            fields.parse(
                format!("conversation_ids[{index}]"),
                "conversation_id_invalid",
                ConversationId::parse(text),
            )
        })
        .collect();
    parsed
        .into_iter()
        .collect::<Option<_>>()
        .ok_or_else(|| fields.into_problem())
}

pub(crate) fn new_group(
    name: &str,
    visibility: Option<Visibility>,
    description: &str,
    members: &[String],
) -> Result<NewGroup> {
    let mut fields = Fields::default();
    let name = fields.parse("name", "group_name_invalid", GroupName::parse(name));
    let description = fields.parse(
        "description",
        "description_invalid",
        Description::parse(description),
    );
    let members = users(&mut fields, "member_ids", members);
    match (name, description, members) {
        (Some(name), Some(description), Some(members)) => Ok(NewGroup {
            name,
            visibility: visibility.unwrap_or(Visibility::Public),
            description,
            members,
        }),
        _ => Err(fields.into_problem()),
    }
}

/// What is absent stays; an empty `picture_id` takes the picture away.
pub(crate) fn group_changes(
    name: Option<&str>,
    description: Option<&str>,
    picture_id: Option<&str>,
    visibility: Option<Visibility>,
) -> Result<GroupChanges> {
    let mut fields = Fields::default();
    let name = name.map(|text| fields.parse("name", "group_name_invalid", GroupName::parse(text)));
    let description = description.map(|text| {
        fields.parse(
            "description",
            "description_invalid",
            Description::parse(text),
        )
    });
    let picture = picture_id.map(|text| match text {
        "" => Some(Picture::None),
        text => fields
            .parse("picture_id", "file_id_invalid", FileId::parse(text))
            .map(Picture::File),
    });
    if name == Some(None) || description == Some(None) || picture == Some(None) {
        return Err(fields.into_problem());
    }
    Ok(GroupChanges {
        name: name.flatten(),
        description: description.flatten(),
        picture: picture.flatten(),
        visibility,
    })
}

pub(crate) fn settings_changes(
    mute: Option<MuteKind>,
    muted_until_unix_ms: Option<u64>,
    archived: Option<bool>,
    pinned: Option<bool>,
    now_unix_ms: u64,
) -> Result<SettingsChanges> {
    let mut fields = Fields::default();
    let mute = match (mute, muted_until_unix_ms) {
        (None, None) => Some(None),
        // An end alone belongs to no mute.
        (kind, until) => fields
            .parse(
                "muted_until",
                "muted_until_invalid",
                Mute::new(kind.unwrap_or(MuteKind::Off), until, now_unix_ms),
            )
            .map(Some),
    };
    let mute = mute.ok_or_else(|| fields.into_problem())?;
    Ok(SettingsChanges {
        mute,
        archived,
        pinned,
    })
}

pub(crate) fn invitation(
    expires_in_seconds: Option<u32>,
    max_uses: Option<u32>,
) -> Result<(Lifetime, Option<MaxUses>)> {
    let mut fields = Fields::default();
    let lifetime = match expires_in_seconds {
        None => Some(Lifetime::DEFAULT),
        Some(seconds) => fields.parse(
            "expires_in_seconds",
            "expires_in_seconds_invalid",
            Lifetime::from_seconds(seconds),
        ),
    };
    let max_uses = match max_uses {
        None => Some(None),
        Some(uses) => fields
            .parse("max_uses", "max_uses_invalid", MaxUses::new(uses))
            .map(Some),
    };
    match (lifetime, max_uses) {
        (Some(lifetime), Some(max_uses)) => Ok((lifetime, max_uses)),
        _ => Err(fields.into_problem()),
    }
}

/// Where a page begins and how long it is, under the names that the interface has for them.
pub(crate) struct PageFields {
    pub cursor: &'static str,
    pub size: &'static str,
}

impl PageFields {
    fn read<C>(
        &self,
        fields: &mut Fields,
        cursor: Option<&str>,
        parse: impl FnOnce(&str) -> std::result::Result<C, InvalidCursor>,
        size: Option<u32>,
    ) -> Option<(Option<C>, PageSize)> {
        let cursor = match cursor {
            None | Some("") => Some(None),
            Some(text) => fields
                .parse(self.cursor, "cursor_invalid", parse(text))
                .map(Some),
        };
        let size = match size {
            None => Some(PageSize::DEFAULT),
            Some(size) => fields.parse(self.size, "limit_invalid", PageSize::new(size)),
        };
        Some((cursor?, size?))
    }

    pub fn conversations(
        &self,
        cursor: Option<&str>,
        size: Option<u32>,
    ) -> Result<(Option<Cursor>, PageSize)> {
        let mut fields = Fields::default();
        self.read(&mut fields, cursor, Cursor::parse, size)
            .ok_or_else(|| fields.into_problem())
    }

    /// A conversation, and which of its members.
    pub fn members(
        &self,
        conversation: &str,
        cursor: Option<&str>,
        size: Option<u32>,
    ) -> Result<(ConversationId, Option<MemberCursor>, PageSize)> {
        let mut fields = Fields::default();
        let conversation = fields.parse(
            "conversation_id",
            "conversation_id_invalid",
            ConversationId::parse(conversation),
        );
        let page = self.read(&mut fields, cursor, MemberCursor::parse, size);
        match (conversation, page) {
            (Some(conversation), Some((cursor, size))) => Ok((conversation, cursor, size)),
            _ => Err(fields.into_problem()),
        }
    }

    pub fn groups(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        size: Option<u32>,
    ) -> Result<(GroupNamePrefix, Option<NameCursor>, PageSize)> {
        let mut fields = Fields::default();
        let prefix = fields.parse("prefix", "prefix_invalid", GroupNamePrefix::parse(prefix));
        let page = self.read(&mut fields, cursor, NameCursor::parse, size);
        match (prefix, page) {
            (Some(prefix), Some((cursor, size))) => Ok((prefix, cursor, size)),
            _ => Err(fields.into_problem()),
        }
    }
}

pub(crate) fn period(from: Option<&str>, to: Option<&str>, now: OffsetDateTime) -> Result<Period> {
    let mut fields = Fields::default();
    let mut day = |field: &str, text: Option<&str>| match text {
        None | Some("") => Some(None),
        Some(text) => fields
            .parse(field, "day_invalid", parse_day(text))
            .map(Some),
    };
    let (Some(from), Some(to)) = (day("from", from), day("to", to)) else {
        return Err(fields.into_problem());
    };
    one("from", "period_invalid", Period::new(from, to, now))
}
