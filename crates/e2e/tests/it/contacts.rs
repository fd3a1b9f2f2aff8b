//! What devices hear of contacts.

use client::{Format, Update, Updates};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::blocks::call;
use crate::people::{Turn, next, stage};

async fn told(devices: &mut [Updates]) {
    for updates in devices {
        next(updates, |update| {
            (update == Update::ContactsChanged).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn an_invitation_and_its_answer_reach_all_devices_at_once() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let (_phone, to_phone) = stage.session_on(0, Format::Json, &ben).await;
    let (_laptop, to_laptop) = stage.session_on(1, Format::Protobuf, &ben).await;
    let (_adas, to_ada) = stage.session_on(1, Format::Json, &ada).await;
    let (mut bens, mut adas) = ([to_phone, to_laptop], [to_ada]);

    let invite = json!({"user_id": ben.user_id()});
    let (status, body) = call(&stage, &ada, Method::POST, "contacts", Some(invite)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    told(&mut bens).await;
    told(&mut adas).await;
    let (_, list) = call(&stage, &ben, Method::GET, "contacts", None).await;
    assert_eq!(list["items"][0]["state"], "invitation_received");

    let accept = format!("contacts/{}/accept", ada.user_id());
    let (status, body) = call(&stage, &ben, Method::POST, &accept, None).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    told(&mut bens).await;
    told(&mut adas).await;
    let (_, list) = call(&stage, &ada, Method::GET, "contacts", None).await;
    assert_eq!(list["items"][0]["state"], "contact");
}
