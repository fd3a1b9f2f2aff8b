use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::service::{Person, Service};

impl Service {
    pub async fn allow(&self, who: &Person, patch: Value) -> Value {
        let answer = self.call(Method::PATCH, "privacy", who, Some(patch)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.body
    }
}

#[tokio::test]
async fn settings_have_defaults_and_change_one_by_one() {
    let service = Service::start().await;
    let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
    let defaults = json!({
        "may_write": "everybody",
        "presence_visibility": "shared_conversations",
        "found_by_handle": true,
        "found_by_email": true,
        "found_by_name": true,
    });
    assert_eq!(service.get("privacy", &ada.token).await.body, defaults);
    assert_eq!(service.allow(&ada, json!({})).await, defaults);
    let mut expected = defaults.clone();
    for (field, value) in [
        ("may_write", json!("contacts")),
        ("presence_visibility", json!("nobody")),
        ("found_by_email", json!(false)),
        ("found_by_name", json!(false)),
        ("found_by_handle", json!(false)),
        ("may_write", json!("shared_groups")),
        ("presence_visibility", json!("contacts")),
    ] {
        expected[field] = value.clone();
        assert_eq!(service.allow(&ada, json!({ field: value })).await, expected);
        assert_eq!(service.get("privacy", &ada.token).await.body, expected);
    }
    assert_eq!(service.get("privacy", &ben.token).await.body, defaults);
}

#[tokio::test]
async fn two_changes_at_once_both_count() {
    let service = Service::start().await;
    for _ in 0..5 {
        let ada = service.person("Ada").await;
        tokio::join!(
            service.allow(&ada, json!({"may_write": "contacts"})),
            service.allow(&ada, json!({"found_by_name": false})),
            service.allow(&ada, json!({"presence_visibility": "nobody"})),
        );
        let settings = service.get("privacy", &ada.token).await.body;
        assert_eq!(settings["may_write"], "contacts");
        assert_eq!(settings["found_by_name"], false);
        assert_eq!(settings["presence_visibility"], "nobody");
    }
}
