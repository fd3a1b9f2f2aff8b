use std::time::Duration;

use clock::Clock;
use file_upload::app::App;
use reqwest::StatusCode;
use serde_json::json;
use test_support::eventually;

use crate::suite::{Suite, code, said};

#[tokio::test]
async fn a_member_downloads_what_another_uploaded() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let conversation = suite.conversation(&[&a, &b]);
    let bytes = b"\x89PNG and so on".repeat(1_000);
    let id = suite
        .upload(&a, conversation, "cät.png", "image/png", &bytes)
        .await;

    for person in [&a, &b] {
        let (status, body) = suite.download(person, &id).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body["file"]["file_name"], "cät.png");
        assert_eq!(body["file"]["size_bytes"], bytes.len());
        assert_eq!(body["file"]["conversation_id"], conversation.to_string());
        let url = body["download_url"].as_str().unwrap();
        let key = format!("/{}/{conversation}/{id}?", suite.config.files.bucket);
        assert!(url.contains(&key), "a key of ids only: {url}");
        let response = reqwest::get(url).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "image/png");
        assert_eq!(
            response.headers()["content-disposition"],
            "inline; filename=\"c_t.png\"; filename*=UTF-8''c%C3%A4t.png"
        );
        assert_eq!(response.bytes().await.unwrap(), bytes);
    }
    suite.stop().await;
}

#[tokio::test]
async fn what_can_hold_a_script_is_only_saved() {
    let suite = Suite::start().await;
    let a = suite.people.person();
    let conversation = suite.conversation(&[&a]);
    for (name, content_type) in [
        ("page.html", "text/html"),
        ("drawing.svg", "image/svg+xml"),
        ("unknown", ""),
    ] {
        let id = suite
            .upload(&a, conversation, name, content_type, b"<script>")
            .await;
        let (_, body) = suite.download(&a, &id).await;
        let response = reqwest::get(body["download_url"].as_str().unwrap())
            .await
            .unwrap();
        let disposition = response.headers()["content-disposition"].to_str().unwrap();
        assert!(disposition.starts_with("attachment;"), "{disposition}");
    }
    suite.stop().await;
}

#[tokio::test]
async fn an_upload_url_takes_exactly_the_announced_bytes() {
    let suite = Suite::start().await;
    let a = suite.people.person();
    let conversation = suite.conversation(&[&a]);
    let bytes = b"exactly these";
    let (_, upload) = suite
        .announce(&a, &said(conversation, "a.txt", "text/plain", bytes))
        .await;
    let id = upload["file_id"].as_str().unwrap();

    let (status, body) = suite.complete(&a, id).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::CONFLICT, "upload_incomplete")
    );
    let (status, body) = suite.download(&a, id).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::CONFLICT, "file_not_ready")
    );

    // Others of the same length, more, fewer.
    for wrong in [&b"exactly those"[..], b"exactly these and more", b"exactly"] {
        let status = suite.put(&upload, wrong).await;
        assert!(status.is_client_error(), "{status}");
    }
    // Another type, or no checksum.
    let url = upload["upload_url"].as_str().unwrap();
    let headers = upload["upload_headers"].as_object().unwrap();
    for (dropped, instead) in [("content-type", Some("text/html")), ("content-type", None)] {
        let mut request = suite.http.put(url).body(bytes.to_vec());
        for (name, value) in headers {
            if name != dropped {
                request = request.header(name, value.as_str().unwrap());
            }
        }
        if let Some(instead) = instead {
            request = request.header(dropped, instead);
        }
        let status = request.send().await.unwrap().status();
        assert!(status.is_client_error(), "{status}");
    }
    // Another key.
    let moved = url.replace(id, &conversation.to_string());
    let mut request = suite.http.put(moved).body(bytes.to_vec());
    for (name, value) in headers {
        request = request.header(name, value.as_str().unwrap());
    }
    assert_eq!(
        request.send().await.unwrap().status(),
        StatusCode::FORBIDDEN
    );
    // S3 stores nothing that it refuses; the local one keeps bytes whose digest was wrong, which is
    // seen here.
    let (status, body) = suite.complete(&a, id).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::CONFLICT, "upload_mismatch")
    );
    let (_, body) = suite.download(&a, id).await;
    assert_eq!(code(&body), "file_not_ready");

    assert_eq!(suite.put(&upload, bytes).await, StatusCode::OK);
    for _ in 0..2 {
        let (status, body) = suite.complete(&a, id).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body["file"]["file_id"], id);
    }
    suite.stop().await;
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_file_is_told_at_once() {
    let suite = Suite::start_with(|config| {
        config.files.max_size_bytes = 1_000;
        config.files.allowed_content_types = vec!["image/*".to_owned()];
    })
    .await;
    let a = suite.people.person();
    let conversation = suite.conversation(&[&a]);
    let (status, body) = suite
        .announce(
            &a,
            &json!({
                "conversation_id": "x",
                "file_name": "../../etc/passwd",
                "content_type": "text/html",
                "size_bytes": 1_001,
                "sha256_base64": "short",
            }),
        )
        .await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::BAD_REQUEST, "input_invalid")
    );
    let mut codes: Vec<_> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["code"].as_str().unwrap())
        .collect();
    codes.sort_unstable();
    assert_eq!(
        codes,
        [
            "content_type_not_allowed",
            "conversation_id_invalid",
            "file_name_invalid",
            "sha256_invalid",
            "size_invalid",
        ]
    );
    let (status, _) = suite
        .announce(&a, &said(conversation, "a.png", "image/png", &[7; 1_000]))
        .await;
    assert_eq!(status, StatusCode::OK);
    let (status, body) = suite
        .announce(&a, &said(conversation, "a.png", "image/png", &[]))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["errors"][0]["code"], "size_invalid");
    suite.stop().await;
}

#[tokio::test]
async fn what_was_announced_and_never_came_is_forgotten() {
    let suite = Suite::start().await;
    let a = suite.people.person();
    let conversation = suite.conversation(&[&a]);
    let kept = suite
        .upload(&a, conversation, "kept", "text/plain", b"kept")
        .await;
    let announcement = said(conversation, "lost", "text/plain", b"lost");
    let (_, never_put) = suite.announce(&a, &announcement).await;
    let (_, never_completed) = suite.announce(&a, &announcement).await;
    suite.put(&never_completed, b"lost").await;

    let app = Box::pin(App::new(&suite.config)).await.unwrap();
    let mut sweep = app.sweep(&suite.config);
    sweep.round().await.unwrap();
    let (status, _) = suite
        .complete(&a, never_completed["file_id"].as_str().unwrap())
        .await;
    assert_eq!(
        status,
        StatusCode::OK,
        "it was too young, and is not lost after all"
    );

    let later = Clock::manual(Clock::system().unix_ms());
    later.advance(Duration::from_secs(25 * 3_600));
    sweep.clock = later;
    sweep.round().await.unwrap();
    let (status, body) = suite
        .complete(&a, never_put["file_id"].as_str().unwrap())
        .await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::NOT_FOUND, "file_unknown")
    );
    for id in [kept.as_str(), never_completed["file_id"].as_str().unwrap()] {
        let (_, body) = suite.download(&a, id).await;
        let url = body["download_url"].as_str().unwrap();
        let status = reqwest::get(url).await.unwrap().status();
        assert_eq!(status, StatusCode::OK, "completed files stay");
    }
    suite.stop().await;
}

#[tokio::test]
async fn a_swept_file_takes_its_bytes_along() {
    let suite = Suite::start().await;
    let a = suite.people.person();
    let conversation = suite.conversation(&[&a]);
    let (_, upload) = suite
        .announce(&a, &said(conversation, "lost", "text/plain", b"lost"))
        .await;
    suite.put(&upload, b"lost").await;
    let app = Box::pin(App::new(&suite.config)).await.unwrap();
    let file = app
        .attachments
        .store
        .find(upload["file_id"].as_str().unwrap().parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert!(
        app.attachments
            .objects
            .stored(&file.object())
            .await
            .unwrap()
            .is_some()
    );

    let mut sweep = app.sweep(&suite.config);
    sweep.abandoned_after = Duration::ZERO;
    eventually("it is swept", async || {
        sweep.round().await.unwrap();
        let stored = app
            .attachments
            .objects
            .stored(&file.object())
            .await
            .unwrap();
        stored.is_none().then_some(())
    })
    .await;
    suite.stop().await;
}
