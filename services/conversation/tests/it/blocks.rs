//! Whom one may write to, and what a block does to the conversation of two.

use futures_util::future::join_all;
use ids::UserId;
use proto::account::Permission;
use proto::conversation::block_internal_service_client::BlockInternalServiceClient;
use proto::conversation::{BlockState, SetBlockRequest, SetBlockResponse};
use reqwest::StatusCode;
use test_support::eventually;
use tonic::{Code, Status};

use crate::suite::{Suite, code, id_of};

impl Suite {
    async fn set_block(
        &self,
        caller: &'static str,
        request: SetBlockRequest,
    ) -> Result<SetBlockResponse, Status> {
        let peer = self.peer(caller);
        BlockInternalServiceClient::new(peer.channel())
            .set_block(peer.request(request, None))
            .await
            .map(tonic::Response::into_inner)
    }

    async fn block(&self, blocker: UserId, blocked: UserId, version: u64, state: BlockState) {
        self.set_block("account", decision(blocker, blocked, version, state))
            .await
            .unwrap();
    }
}

fn decision(blocker: UserId, blocked: UserId, version: u64, state: BlockState) -> SetBlockRequest {
    SetBlockRequest {
        blocker_id: blocker.to_string(),
        blocked_id: blocked.to_string(),
        version,
        state: state.into(),
    }
}

fn refusal(status: &Status) -> (Code, String) {
    let code = status.metadata().get(problem::CODE_METADATA);
    let code = code.map_or("", |code| code.to_str().unwrap());
    (status.code(), code.to_owned())
}

const SET: BlockState = BlockState::Blocked;
const LIFTED: BlockState = BlockState::NotBlocked;

#[tokio::test]
async fn whom_a_stranger_may_not_write_to_is_refused_and_what_exists_goes_on() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let (c, d) = (suite.people.person(), suite.people.person());
    let before = id_of(&suite.open_direct(&a, b.user).await.1);

    for write in [
        Permission::Refused,
        Permission::IfSharedGroup,
        Permission::IfSharedConversation,
        Permission::Unspecified,
    ] {
        suite.account.let_write(b.user, write);
        let (status, body) = suite.open_direct(&c, b.user).await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::FORBIDDEN, "not_allowed"),
            "{write:?}"
        );
        let (status, body) = suite.open_direct(&a, b.user).await;
        assert_eq!((status, id_of(&body)), (StatusCode::OK, before));
        // It is his setting: he himself may write.
        let (status, body) = suite.open_direct(&b, d.user).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    // Nor is anybody put into a group who doesn't want it; each is named.
    let (status, body) = suite
        .create(&c, &format!("g-{}", c.user), &[a.user, b.user])
        .await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::BAD_REQUEST, "input_invalid")
    );
    assert_eq!(body["errors"].as_array().unwrap().len(), 1, "{body}");
    assert_eq!(body["errors"][0]["field"], "member_ids[1]");
    assert_eq!(body["errors"][0]["code"], "not_allowed");

    // A one-to-one is no group, and one that was left isn't shared.
    suite.account.let_write(b.user, Permission::IfSharedGroup);
    suite.account.let_write(d.user, Permission::IfSharedGroup);
    let (_, name) = suite.group(&a, &[]).await;
    suite.join(&b, &name).await;
    let joined = suite.join(&c, &name).await.1;
    suite.leave(&c, id_of(&joined)).await;
    assert_eq!(code(&suite.open_direct(&c, b.user).await.1), "not_allowed");
    suite.join(&c, &name).await;
    let (status, body) = suite.open_direct(&c, b.user).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    suite.stop().await;
}

#[tokio::test]
async fn a_block_is_in_the_log_of_the_conversation_when_the_call_returns() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let id = id_of(&suite.open_direct(&a, b.user).await.1);

    for (version, state, blockers) in [
        (1, SET, vec![a.user]),
        // Told again, and told late: nothing new.
        (1, SET, vec![a.user]),
        (3, LIFTED, vec![]),
        (2, SET, vec![]),
        (4, SET, vec![a.user]),
        // A newer version of the same.
        (6, SET, vec![a.user]),
    ] {
        suite.block(a.user, b.user, version, state).await;
        assert_eq!(
            suite.log.blockers(id),
            blockers.into_iter().collect(),
            "{version}"
        );
    }
    assert_eq!(suite.log.records(id).len(), 4, "opened, set, lifted, set");
    // Each of the two decides for themselves.
    suite.block(b.user, a.user, 1, SET).await;
    suite.block(a.user, b.user, 7, LIFTED).await;
    assert_eq!(suite.log.blockers(id), [b.user].into());

    // It can still be read, and is the same when it is opened again.
    let (status, body) = suite.view(&a, id).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    for (one, other) in [(&a, &b), (&b, &a)] {
        let (status, body) = suite.open_direct(one, other.user).await;
        assert_eq!((status, id_of(&body)), (StatusCode::OK, id));
    }
    assert_eq!(suite.log.members(id), [a.user, b.user].into());
    suite.stop().await;
}

#[tokio::test]
async fn through_a_block_no_conversation_is_opened_whatever_the_account_service_says() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    suite.block(a.user, b.user, 1, SET).await;
    for (one, other) in [(&a, &b), (&b, &a)] {
        let (status, body) = suite.open_direct(one, other.user).await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::FORBIDDEN, "not_allowed")
        );
    }
    assert_eq!(suite.outbox_len().await, 0);
    suite.block(a.user, b.user, 2, LIFTED).await;
    let (status, body) = suite.open_direct(&b, a.user).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(suite.log.blockers(id_of(&body)).is_empty());
    suite.stop().await;
}

#[tokio::test]
async fn whoever_is_first_a_block_and_an_opening_end_blocked() {
    let suite = Suite::start().await;
    let mut met = [0, 0];
    for round in 0..24 {
        let (a, b) = (suite.people.person(), suite.people.person());
        let open = async {
            // So that each of the two is first now and then.
            tokio::time::sleep(std::time::Duration::from_millis(round % 4)).await;
            suite.open_direct(&b, a.user).await
        };
        let block = async {
            tokio::time::sleep(std::time::Duration::from_millis(round / 4 % 3)).await;
            suite.block(a.user, b.user, 1, SET).await;
        };
        let ((status, body), ()) = tokio::join!(open, block);
        if status == StatusCode::OK {
            met[0] += 1;
            let id = id_of(&body);
            assert_eq!(suite.log.blockers(id), [a.user].into(), "round {round}");
        } else {
            met[1] += 1;
            assert_eq!(code(&body), "not_allowed");
            let opened: i64 =
                sqlx::query_scalar("SELECT count(*) FROM conversations WHERE $1 IN (low, high)")
                    .bind(a.user.as_uuid())
                    .fetch_one(&suite.pool)
                    .await
                    .unwrap();
            assert_eq!(opened, 0, "round {round}");
        }
        let (again, _) = suite.open_direct(&a, b.user).await;
        assert_eq!(again, status, "it stays so");
    }
    println!(
        "the conversation was first {} times, the block {} times",
        met[0], met[1]
    );
    suite.stop().await;
}

#[tokio::test]
async fn many_changes_at_once_end_with_the_newest() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let id = id_of(&suite.open_direct(&a, b.user).await.1);
    // Odd ones block; the newest lifts.
    join_all((1..=20).rev().map(|version| {
        let state = if version % 2 == 1 { SET } else { LIFTED };
        suite.block(a.user, b.user, version, state)
    }))
    .await;
    assert!(suite.log.blockers(id).is_empty());
    suite.stop().await;
}

#[tokio::test]
async fn a_block_that_the_log_has_not_applied_is_pending_and_the_same_call_waits_for_it() {
    let suite = Suite::start_with(|config| config.membership.apply_timeout_ms = 700).await;
    let (a, b) = (suite.people.person(), suite.people.person());
    // Opening takes longer than that where the machine is busy: then the same call again.
    let id = eventually("it is open", async || {
        let (status, body) = suite.open_direct(&a, b.user).await;
        (status == StatusCode::OK).then(|| id_of(&body))
    })
    .await;
    suite.log.answer(false);
    let request = decision(a.user, b.user, 1, SET);
    for _ in 0..2 {
        let pending = suite
            .set_block("account", request.clone())
            .await
            .unwrap_err();
        assert_eq!(
            refusal(&pending),
            (Code::Unavailable, "membership_pending".into())
        );
    }
    suite.log.answer(true);
    suite.set_block("account", request).await.unwrap();
    assert_eq!(suite.log.blockers(id), [a.user].into());
    assert_eq!(
        suite.log.records(id).len(),
        2,
        "it was one change all the time"
    );
    eventually("nothing is left", async || {
        (suite.outbox_len().await == 0).then_some(())
    })
    .await;
    suite.stop().await;
}

#[tokio::test]
async fn only_the_account_service_says_who_blocks_whom() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let request = decision(a.user, b.user, 1, SET);
    for peer in ["chat-gateway", "message", "file-upload"] {
        let refused = suite.set_block(peer, request.clone()).await.unwrap_err();
        assert_eq!(
            refusal(&refused),
            (Code::PermissionDenied, "identity_forbidden".into())
        );
    }
    for port in [suite.addresses.internal, suite.addresses.grpc] {
        let mut bare = BlockInternalServiceClient::connect(format!("http://{port}"))
            .await
            .unwrap();
        let refused = bare
            .set_block(a.request(request.clone()))
            .await
            .unwrap_err();
        if port == suite.addresses.internal {
            assert_eq!(
                refusal(&refused),
                (Code::Unauthenticated, "identity_missing".into())
            );
        } else {
            assert_eq!(refused.code(), Code::Unimplemented);
        }
    }
    for (request, code) in [
        (
            SetBlockRequest {
                blocker_id: "x".into(),
                ..request.clone()
            },
            "input_invalid",
        ),
        (
            SetBlockRequest {
                blocked_id: "x".into(),
                ..request.clone()
            },
            "input_invalid",
        ),
        (
            SetBlockRequest {
                version: 0,
                ..request.clone()
            },
            "input_invalid",
        ),
        (
            SetBlockRequest {
                version: u64::MAX,
                ..request.clone()
            },
            "input_invalid",
        ),
        (
            SetBlockRequest {
                state: 0,
                ..request.clone()
            },
            "input_invalid",
        ),
        (
            SetBlockRequest {
                state: 9,
                ..request.clone()
            },
            "input_invalid",
        ),
        (
            SetBlockRequest {
                blocked_id: a.user.to_string(),
                ..request.clone()
            },
            "cannot_open_with_self",
        ),
    ] {
        let refused = suite.set_block("account", request).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::InvalidArgument, code.into()));
    }
    let (status, _) = suite.open_direct(&a, b.user).await;
    assert_eq!(status, StatusCode::OK, "nothing of that stands");
    suite.stop().await;
}
