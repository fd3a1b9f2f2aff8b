use client::wire::entry::Change;
use client::wire::server_frame::Frame;
use client::{
    Client, Draft, GroupChanges, GroupVisibility, MemberRole, Mute, ReportMetric, SettingsChanges,
};
use ids::ConversationId;

use crate::people::{Turn, history, stage, text, texts};
use crate::refusals::{answer, greeted};

async fn say(person: &Client, group: ConversationId, words: &str) {
    person
        .send_message(group, person.new_client_message_id(), &Draft::text(words))
        .await
        .unwrap();
}

fn name(person: &Client, what: &str) -> String {
    format!("{what}-{}", person.user_id().as_uuid().simple())
}

#[tokio::test]
async fn an_invited_member_sees_what_comes_after_and_what_the_owner_opens() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let group = ada
        .create_group(&name(&ada, "opened"), &[])
        .await
        .unwrap()
        .conversation_id;
    let private = GroupChanges {
        visibility: Some(GroupVisibility::Private),
        ..GroupChanges::default()
    };
    ada.change_group(group, &private).await.unwrap();
    say(&ada, group, "first").await;
    say(&ada, group, "second").await;
    let token = ada
        .create_invitation(group, None, Some(1))
        .await
        .unwrap()
        .token;
    ben.join_by_invitation(&token).await.unwrap();
    say(&ada, group, "third").await;
    assert_eq!(texts(&ben, group).await, ["third"]);
    // Its first entry says that it was created.
    ada.open_history(group, ben.user_id(), 3).await.unwrap();
    assert_eq!(texts(&ben, group).await, ["second", "third"]);
    ben.leave(group).await.unwrap();
    say(&ada, group, "between").await;
    ada.add_members(group, &[ben.user_id()]).await.unwrap();
    say(&ada, group, "fourth").await;
    assert_eq!(texts(&ben, group).await, ["second", "third", "fourth"]);
}

#[tokio::test]
async fn what_becomes_of_a_group_is_part_of_its_story() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let group = ada
        .create_group(&name(&ada, "story"), &[ben.user_id()])
        .await
        .unwrap()
        .conversation_id;
    let renamed = name(&ada, "renamed");
    let changes = GroupChanges {
        name: Some(renamed.clone()),
        ..GroupChanges::default()
    };
    ada.change_group(group, &changes).await.unwrap();
    ada.set_role(group, ben.user_id(), MemberRole::Owner)
        .await
        .unwrap();
    ben.set_role(group, ben.user_id(), MemberRole::Admin)
        .await
        .unwrap();
    ada.leave(group).await.unwrap();
    say(&ben, group, "alone").await;
    ben.delete_group(group).await.unwrap();

    let story: Vec<String> = history(&ben, group)
        .await
        .into_iter()
        .filter_map(|entry| match entry.change? {
            Change::Created(_) => Some("created".to_owned()),
            Change::Renamed(to) => Some(format!("renamed {}", to.name)),
            Change::RoleChanged(changed) => Some(format!("role {}", changed.role)),
            Change::Left(_) => Some("left".to_owned()),
            Change::Message(message) => Some(message.text),
            Change::GroupDeleted(_) => Some("deleted".to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(
        story,
        [
            "created",
            &format!("renamed {renamed}"),
            "role owner",
            "role admin",
            "left",
            // Somebody has to be it.
            "role owner",
            "alone",
            "deleted",
        ]
    );
    let refused = ben
        .send_message(group, ben.new_client_message_id(), &Draft::text("late"))
        .await
        .unwrap_err();
    let client::Error::Refused(refusal) = refused else {
        panic!("{refused}")
    };
    assert_eq!(refusal.code, "not_a_member");
    assert!(ben.all_conversations().await.unwrap().is_empty());
}

#[tokio::test]
async fn settings_reach_ones_other_devices_at_once_and_nobody_else() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    let (mut phone, mut bens) = (greeted(&stage, &ada).await, greeted(&stage, &ben).await);
    let muted = SettingsChanges {
        mute: Some(Mute::Forever),
        ..SettingsChanges::default()
    };
    let settings = ada.change_settings(conversation, &muted).await.unwrap();
    let told = answer(&mut phone, |frame| match frame {
        Frame::SettingsChanged(changed) => Some(changed),
        _ => None,
    })
    .await;
    assert_eq!(told.conversation_id, conversation.to_string());
    assert_eq!(told.version, settings.version);
    assert_eq!(ada.settings(conversation).await.unwrap(), settings);
    // A message takes the same way behind it: what had come to Ben before it would be here.
    say(&ada, conversation, "psst").await;
    answer(&mut bens, |frame| match frame {
        Frame::SettingsChanged(changed) => panic!("told to somebody else: {changed:?}"),
        Frame::Entry(entry) if text(&entry) == Some("psst") => Some(()),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn what_is_written_is_in_the_report() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let busy = ada
        .create_group(&name(&ada, "busy"), &[ben.user_id()])
        .await
        .unwrap()
        .conversation_id;
    // More than everything else here.
    for number in 0..40 {
        let id = ada.new_client_message_id();
        let draft = Draft::text(format!("message {number}"));
        ada.send_message(busy, id, &draft).await.unwrap();
        // Once more under the same id: it is the same message.
        ada.send_message(busy, id, &draft).await.unwrap();
    }
    say(&ben, busy, "and I").await;
    let counted = test_support::eventually("it is counted", async || {
        let report = ada
            .top_groups(ReportMetric::Messages, None, None)
            .await
            .ok()?;
        let found = report
            .items
            .into_iter()
            .find(|activity| activity.group.conversation_id == busy)?;
        (found.messages >= 41).then_some(found)
    })
    .await;
    assert_eq!((counted.messages, counted.active_users), (41, 2));
    assert_eq!(counted.group.group.member_count, 2);
}
