use std::time::Duration;

use clock::Clock;
use file_upload::app::App;
use file_upload::sweep::Sweep;
use proto::file::file_service_client::FileServiceClient;
use proto::file::{
    CompletePictureUploadRequest, CreatePictureUploadRequest, GetDownloadRequest, GetPictureRequest,
};
use reqwest::StatusCode;
use serde_json::json;
use test_support::eventually;
use tonic::Code;

use crate::suite::{Suite, code};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

#[tokio::test]
async fn everybody_who_is_signed_in_sees_the_picture_of_a_profile() {
    let suite = Suite::start().await;
    let (ada, ben) = (suite.people.person(), suite.people.person());
    let (id, picture) = suite.upload_picture(&ada, PNG).await;
    assert_eq!(picture, format!("file:{id}"));
    // Idempotent.
    let (status, body) = suite.complete_picture(&ada, &id).await;
    assert_eq!(
        (status, body),
        (StatusCode::OK, json!({"picture": picture}))
    );

    for person in [&ada, &ben] {
        let (status, body) = suite.picture(person, ada.user, &id).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body["content_type"], "image/png");
        assert_eq!(body["size_bytes"], PNG.len());
        assert_eq!(
            body["expires_in_seconds"],
            suite.config.files.download_url_seconds
        );
        let url = body["download_url"].as_str().unwrap();
        let key = format!("/pictures/{}/{id}?", ada.user);
        assert!(url.contains(&key), "a key of ids only: {url}");
        let response = reqwest::get(url).await.unwrap();
        assert_eq!(response.headers()["content-type"], "image/png");
        let disposition = response.headers()["content-disposition"].to_str().unwrap();
        assert!(disposition.starts_with("inline;"), "{disposition}");
        assert_eq!(response.bytes().await.unwrap(), PNG);
    }
    suite.stop().await;
}

#[tokio::test]
async fn what_is_no_picture_of_that_person_is_never_shown_as_one() {
    let suite = Suite::start().await;
    let (ada, ben) = (suite.people.person(), suite.people.person());
    let conversation = suite.conversation(&[&ada]);
    let attachment = suite
        .upload(&ada, conversation, "secret.png", "image/png", PNG)
        .await;
    let (picture, _) = suite.upload_picture(&ada, PNG).await;
    let mut grpc = FileServiceClient::connect(format!("http://{}", suite.addresses.grpc))
        .await
        .unwrap();

    // An attachment, not even to its uploader; and one's own profile shows nobody else's picture.
    for (by, owner, id) in [
        (&ben, &ada, &attachment),
        (&ada, &ada, &attachment),
        (&ben, &ben, &picture),
        (&ada, &ben, &picture),
    ] {
        let (status, body) = suite.picture(by, owner.user, id).await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::NOT_FOUND, "file_unknown")
        );
        let asked = GetPictureRequest {
            user_id: owner.user.to_string(),
            file_id: id.clone(),
        };
        let refused = grpc.get_picture(by.request(asked)).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
    }
    // Nor is a picture an attachment.
    let (status, body) = suite.download(&ada, &picture).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::NOT_FOUND, "file_unknown")
    );
    let asked = GetDownloadRequest {
        file_id: picture.clone(),
    };
    let refused = grpc.get_download(ada.request(asked)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    // Nobody completes somebody else's, nor an attachment as a picture.
    let (_, upload) = suite.announce_picture(&ada, "image/png", PNG).await;
    suite.put(&upload, PNG).await;
    let pending = upload["file_id"].as_str().unwrap();
    for (by, id) in [(&ben, pending), (&ada, attachment.as_str())] {
        let (status, body) = suite.complete_picture(by, id).await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::NOT_FOUND, "file_unknown")
        );
    }
    // Not seen before it is complete.
    let (status, body) = suite.picture(&ben, ada.user, pending).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::CONFLICT, "file_not_ready")
    );
    suite.stop().await;
}

#[tokio::test]
async fn only_small_images_are_taken_and_only_what_they_say_they_are() {
    let suite = Suite::start().await;
    let ada = suite.people.person();
    let large = vec![7; 1024 * 1024 + 1];
    for (content_type, bytes, expected) in [
        ("image/svg+xml", PNG, "content_type_not_allowed"),
        ("image/gif", PNG, "content_type_not_allowed"),
        ("png", PNG, "content_type_invalid"),
        ("image/png", &[][..], "size_invalid"),
        ("image/png", &large[..], "size_invalid"),
    ] {
        let (status, body) = suite.announce_picture(&ada, content_type, bytes).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(body["errors"][0]["code"], expected);
    }
    let (status, _) = suite.announce_picture(&ada, "image/png", &large[1..]).await;
    assert_eq!(status, StatusCode::OK);

    for (content_type, bytes) in [
        ("image/png", &b"<script>alert(1)</script>"[..]),
        ("image/jpeg", PNG),
        ("image/webp", b"RIFF"),
    ] {
        let (_, upload) = suite.announce_picture(&ada, content_type, bytes).await;
        let id = upload["file_id"].as_str().unwrap();
        let (status, body) = suite.complete_picture(&ada, id).await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::CONFLICT, "upload_incomplete")
        );
        // Bytes that were not announced; the local store keeps what S3 refuses.
        suite.put(&upload, b"others").await;
        let (status, body) = suite.complete_picture(&ada, id).await;
        assert_eq!(status, StatusCode::CONFLICT, "{body}");
        assert_eq!(suite.put(&upload, bytes).await, StatusCode::OK);
        let (status, body) = suite.complete_picture(&ada, id).await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::CONFLICT, "content_type_mismatch")
        );
        let (_, body) = suite.picture(&ada, ada.user, id).await;
        assert_eq!(code(&body), "file_not_ready");
    }
    suite.stop().await;
}

#[tokio::test]
async fn a_person_has_a_bounded_number_of_pictures() {
    let suite = Suite::start().await;
    let (ada, ben) = (suite.people.person(), suite.people.person());
    // All at once: none is counted twice or not at all.
    let calls = (0..25).map(|_| suite.announce_picture(&ada, "image/png", PNG));
    let answers = futures_util::future::join_all(calls).await;
    let taken = answers
        .iter()
        .filter(|(status, _)| *status == StatusCode::OK)
        .count();
    assert_eq!(taken, 20);
    for (status, body) in answers {
        if status != StatusCode::OK {
            assert_eq!(
                (status, code(&body)),
                (StatusCode::TOO_MANY_REQUESTS, "rate_limited")
            );
        }
    }
    let (status, _) = suite.announce_picture(&ben, "image/png", PNG).await;
    assert_eq!(status, StatusCode::OK);
    suite.stop().await;
}

/// A sweep as one would be in so many hours.
async fn sweep_in(suite: &Suite, hours: u64) -> Sweep {
    let app = Box::pin(App::new(&suite.config)).await.unwrap();
    let mut sweep = app.sweep(&suite.config);
    let later = Clock::manual(Clock::system().unix_ms());
    later.advance(Duration::from_secs(hours * 3_600));
    sweep.clock = later;
    sweep
}

#[tokio::test]
async fn a_picture_that_no_profile_names_is_swept_with_its_bytes() {
    let suite = Suite::start().await;
    let (ada, ben) = (suite.people.person(), suite.people.person());
    let (old, picture) = suite.upload_picture(&ada, PNG).await;
    suite.profiles.name(ada.user, &picture);
    let (_, body) = suite.picture(&ben, ada.user, &old).await;
    let url = body["download_url"].as_str().unwrap().to_owned();
    let (new, picture) = suite.upload_picture(&ada, PNG).await;
    suite.profiles.name(ada.user, &picture);
    // Somebody who names a picture that isn't theirs keeps nothing.
    suite.profiles.name(ben.user, &format!("file:{old}"));
    let (_, never_put) = suite.announce_picture(&ben, "image/png", PNG).await;
    let never_put = never_put["file_id"].as_str().unwrap();

    // The profile may be about to name it.
    sweep_in(&suite, 23).await.round().await.unwrap();
    let (status, _) = suite.picture(&ben, ada.user, &old).await;
    assert_eq!(status, StatusCode::OK);

    let sweep = sweep_in(&suite, 25).await;
    // Without the account service nothing is known, and nothing is deleted.
    suite.account_link.cut();
    sweep.round().await.unwrap_err();
    suite.account_link.mend();
    let (status, _) = suite.picture(&ben, ada.user, &new).await;
    assert_eq!(status, StatusCode::OK);
    // The round that failed may hold its claim for a moment yet.
    eventually("the sweep goes on", async || {
        sweep.round().await.ok()?;
        let (status, _) = suite.picture(&ben, ada.user, &old).await;
        (status == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    for (owner, id) in [(&ada, old.as_str()), (&ben, never_put)] {
        let (status, body) = suite.picture(&ada, owner.user, id).await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::NOT_FOUND, "file_unknown")
        );
    }
    assert_eq!(
        reqwest::get(url).await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
    let (status, body) = suite.picture(&ben, ada.user, &new).await;
    assert_eq!(status, StatusCode::OK);
    let url = body["download_url"].as_str().unwrap().to_owned();
    assert_eq!(reqwest::get(&url).await.unwrap().status(), StatusCode::OK);

    // Taken off, or its account deleted; it was looked at a day before.
    suite.profiles.take_off(ada.user);
    sweep_in(&suite, 48).await.round().await.unwrap();
    let (status, _) = suite.picture(&ben, ada.user, &new).await;
    assert_eq!(status, StatusCode::OK);
    sweep_in(&suite, 50).await.round().await.unwrap();
    let (status, _) = suite.picture(&ben, ada.user, &new).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(
        reqwest::get(url).await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
    suite.stop().await;
}

#[tokio::test]
async fn a_picture_comes_and_is_seen_by_grpc_too() {
    let suite = Suite::start().await;
    let (ada, ben) = (suite.people.person(), suite.people.person());
    let mut grpc = FileServiceClient::connect(format!("http://{}", suite.addresses.grpc))
        .await
        .unwrap();
    let refused = grpc
        .create_picture_upload(ada.request(CreatePictureUploadRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let digest = <sha2::Sha256 as sha2::Digest>::digest(PNG);
    let upload = grpc
        .create_picture_upload(ada.request(CreatePictureUploadRequest {
            content_type: "image/png".to_owned(),
            size_bytes: PNG.len() as u64,
            sha256_base64: base64::Engine::encode(
                &base64::engine::general_purpose::STANDARD,
                digest,
            ),
        }))
        .await
        .unwrap()
        .into_inner();
    let answer = json!({"upload_url": upload.upload_url, "upload_headers": upload.upload_headers});
    assert_eq!(suite.put(&answer, PNG).await, StatusCode::OK);
    let completed = grpc
        .complete_picture_upload(ada.request(CompletePictureUploadRequest {
            file_id: upload.file_id.clone(),
        }))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(completed.picture, format!("file:{}", upload.file_id));
    let seen = grpc
        .get_picture(ben.request(GetPictureRequest {
            user_id: ada.user.to_string(),
            file_id: upload.file_id,
        }))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(seen.content_type, "image/png");
    let response = reqwest::get(seen.download_url).await.unwrap();
    assert_eq!(response.bytes().await.unwrap(), PNG);
    suite.stop().await;
}
