use reqwest::StatusCode;
use test_support::eventually;

use crate::service::Service;

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

async fn published(service: &Service) -> Vec<String> {
    let keys = service
        .send(service.http.get(service.url(".well-known/jwks.json")))
        .await;
    keys.body["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_new_signing_key_logs_nobody_out() {
    let service = Service::start().await;
    let ada = service.register("ada@example.org").await;
    let old = kid(&ada.text("access_token"));
    let folder = &service.config.signing.key_dir;
    account::rotate_key(&service.config).unwrap();
    // As if it had been made a minute ago: it signs as soon as it is seen.
    let new_file = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.ends_with(".key.pem") && !name.contains(&old)
        })
        .unwrap();
    let name = new_file.file_name().unwrap().to_str().unwrap().to_owned();
    let (made, rest) = name.split_once('-').unwrap();
    let earlier = made.parse::<u64>().unwrap() - 60_000;
    // Older than the first one by name, so that one is made older still.
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        if file.contains(&old) {
            let (made, rest) = file.split_once('-').unwrap();
            let earlier = made.parse::<u64>().unwrap() - 120_000;
            std::fs::rename(&path, folder.join(format!("{earlier:013}-{rest}"))).unwrap();
        }
    }
    std::fs::rename(&new_file, folder.join(format!("{earlier:013}-{rest}"))).unwrap();

    eventually("both keys are published", async || {
        (published(&service).await.len() == 2).then_some(())
    })
    .await;
    let token = ada.text("access_token");
    assert_eq!(service.get("me", &token).await.status, StatusCode::OK);
    let next = service.refresh(&ada.text("refresh_token")).await;
    assert_eq!(next.status, StatusCode::OK, "{}", next.body);
    let new_token = next.text("access_token");
    assert_ne!(kid(&new_token), old);
    assert_eq!(service.get("me", &new_token).await.status, StatusCode::OK);
    assert_eq!(service.get("me", &token).await.status, StatusCode::OK);
}
