//! Groups: finding them, and leading them.

use anyhow::Result;
use client::{Client, GroupCard, GroupChanges, GroupVisibility, MemberRole, ReportMetric};
use serde_json::json;

use crate::output::Output;
use crate::place::Place;
use crate::{By, ChangeGroup, Invite, Role, Top, Visibility};

pub async fn list(out: Output, client: &Client, prefix: &str) -> Result<()> {
    let mut cursor = None;
    loop {
        let page = client.public_groups(prefix, cursor.as_deref()).await?;
        for group in &page.items {
            out.print(group, || line(group));
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

pub async fn invite(out: Output, client: &Client, args: &Invite) -> Result<()> {
    let group = args.place.find(client).await?;
    let made = client
        .create_invitation(group, args.expires_in, args.max_uses)
        .await?;
    out.print(&made, || made.token.clone());
    Ok(())
}

pub async fn add(out: Output, client: &Client, place: &Place, people: &[String]) -> Result<()> {
    let group = place.find(client).await?;
    let mut users = Vec::with_capacity(people.len());
    for handle in people {
        users.push(client.find_user(handle).await?.user_id);
    }
    client.add_members(group, &users).await?;
    out.print(&json!({ "added": users }), || {
        format!("They are in: {}.", people.join(", "))
    });
    Ok(())
}

pub async fn remove(out: Output, client: &Client, place: &Place, person: &str) -> Result<()> {
    let group = place.find(client).await?;
    let user = client.find_user(person).await?.user_id;
    client.remove_member(group, user).await?;
    out.print(&json!({ "removed": user }), || {
        format!("{person} is out of it.")
    });
    Ok(())
}

pub async fn set_role(
    out: Output,
    client: &Client,
    place: &Place,
    person: &str,
    role: Role,
) -> Result<()> {
    let group = place.find(client).await?;
    let user = client.find_user(person).await?.user_id;
    let (role, text) = match role {
        Role::Owner => (MemberRole::Owner, "an owner"),
        Role::Admin => (MemberRole::Admin, "an admin"),
        Role::Member => (MemberRole::Member, "a member"),
    };
    client.set_role(group, user, role).await?;
    out.print(&json!({ "user_id": user, "role": role }), || {
        format!("{person} is {text}.")
    });
    Ok(())
}

pub async fn change(out: Output, client: &Client, args: ChangeGroup) -> Result<()> {
    let group = args.place.find(client).await?;
    let changes = GroupChanges {
        name: args.name,
        description: args.description,
        visibility: args.visibility.map(|visibility| match visibility {
            Visibility::Public => GroupVisibility::Public,
            Visibility::Private => GroupVisibility::Private,
        }),
    };
    let changed = client.change_group(group, &changes).await?;
    out.print(&changed, || {
        format!(
            "`{}` is changed.",
            changed.name.as_deref().unwrap_or_default()
        )
    });
    Ok(())
}

pub async fn delete(out: Output, client: &Client, place: &Place) -> Result<()> {
    let group = place.find(client).await?;
    client.delete_group(group).await?;
    out.print(&json!({ "deleted": group }), || "Deleted.".to_owned());
    Ok(())
}

pub async fn top(out: Output, client: &Client, args: &Top) -> Result<()> {
    let by = match args.by {
        By::Members => ReportMetric::Members,
        By::ActiveUsers => ReportMetric::ActiveUsers,
        By::Messages => ReportMetric::Messages,
    };
    let report = client
        .top_groups(by, args.from.as_deref(), args.to.as_deref())
        .await?;
    if out.json {
        out.print(&report, String::new);
        return Ok(());
    }
    out.print(&(), || format!("{} to {}", report.from, report.to));
    for activity in &report.items {
        out.print(&(), || {
            format!(
                "{}  {} active, {} messages",
                line(&activity.group),
                activity.active_users,
                activity.messages
            )
        });
    }
    Ok(())
}

/// Names are plain; a description may hold anything and is left to the web client.
fn line(card: &GroupCard) -> String {
    let people = match card.group.member_count {
        1 => "1 member".to_owned(),
        count => format!("{count} members"),
    };
    format!("{}  {people}", card.name)
}
