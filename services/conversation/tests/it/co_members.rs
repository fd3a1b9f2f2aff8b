use std::collections::BTreeSet;

use ids::{ConversationId, UserId};
use proto::conversation::co_member_internal_service_client::CoMemberInternalServiceClient;
use proto::conversation::{FilterCoMembersRequest, GetAudienceRequest, ListCoMembersRequest};
use test_support::TestPerson;
use tonic::Code;
use tonic::transport::Channel;

use crate::suite::Suite;

struct Asker {
    suite: Suite,
    client: CoMemberInternalServiceClient<Channel>,
}

impl Asker {
    async fn start() -> Self {
        let suite = Suite::start().await;
        let address = format!("http://{}", suite.addresses.internal);
        let client = CoMemberInternalServiceClient::connect(address)
            .await
            .unwrap();
        Self { suite, client }
    }

    async fn audience(
        &mut self,
        person: &TestPerson,
        id: ConversationId,
        max_members: u32,
    ) -> Result<BTreeSet<String>, Code> {
        let request = self.suite.peer("chat-gateway").request(
            GetAudienceRequest {
                conversation_id: id.to_string(),
                max_members,
            },
            Some(&person.verified()),
        );
        let answer = self.client.get_audience(request).await;
        answer
            .map(|answer| answer.into_inner().user_ids.into_iter().collect())
            .map_err(|status| status.code())
    }

    async fn filter(&mut self, person: &TestPerson, others: &[UserId]) -> BTreeSet<String> {
        let request = self.suite.peer("chat-gateway").request(
            FilterCoMembersRequest {
                user_ids: others.iter().map(UserId::to_string).collect(),
            },
            Some(&person.verified()),
        );
        let answer = self.client.filter_co_members(request).await.unwrap();
        answer.into_inner().user_ids.into_iter().collect()
    }

    async fn list(&mut self, person: &TestPerson, after: &str, limit: u32) -> Vec<String> {
        let request = self.suite.peer("chat-gateway").request(
            ListCoMembersRequest {
                after_user_id: after.to_owned(),
                limit,
            },
            Some(&person.verified()),
        );
        let answer = self.client.list_co_members(request).await.unwrap();
        answer.into_inner().user_ids
    }
}

fn texts<'a>(people: impl IntoIterator<Item = &'a TestPerson>) -> BTreeSet<String> {
    people
        .into_iter()
        .map(|person| person.user.to_string())
        .collect()
}

#[tokio::test]
async fn the_audience_of_a_conversation_is_told_to_its_members_unless_it_is_large() {
    let mut asker = Asker::start().await;
    let [ann, bob, eve] = [(); 3].map(|()| asker.suite.people.person());
    let (id, name) = asker.suite.group(&ann, &[bob.user]).await;
    assert_eq!(asker.audience(&bob, id, 2).await, Ok(texts([&ann, &bob])));
    assert_eq!(asker.audience(&eve, id, 2).await, Err(Code::NotFound));
    asker.suite.join(&eve, &name).await;
    assert_eq!(asker.audience(&eve, id, 2).await, Ok(BTreeSet::new()));
    assert_eq!(
        asker.audience(&eve, id, 3).await,
        Ok(texts([&ann, &bob, &eve]))
    );
    asker.suite.leave(&bob, id).await;
    assert_eq!(asker.audience(&bob, id, 3).await, Err(Code::NotFound));
    assert_eq!(asker.audience(&ann, id, 3).await, Ok(texts([&ann, &eve])));
    for out_of_range in [0, 501] {
        let refused = asker.audience(&ann, id, out_of_range).await;
        assert_eq!(refused, Err(Code::InvalidArgument));
    }
    asker.suite.stop().await;
}

#[tokio::test]
async fn co_members_are_those_with_whom_one_is_in_a_conversation_now() {
    let mut asker = Asker::start().await;
    let [ann, bob, cy, eve] = [(); 4].map(|()| asker.suite.people.person());
    let (id, _) = asker.suite.group(&ann, &[bob.user, cy.user]).await;
    asker.suite.open_direct(&ann, bob.user).await;
    let everybody = [ann.user, bob.user, cy.user, eve.user];
    // Somebody who is in none shares none, not even with themselves.
    assert_eq!(asker.filter(&eve, &everybody).await, BTreeSet::new());
    assert_eq!(
        asker.filter(&ann, &everybody).await,
        texts([&ann, &bob, &cy])
    );
    let all: Vec<String> = texts([&bob, &cy]).into_iter().collect();
    assert_eq!(asker.list(&ann, "", 10).await, all, "each once");
    assert_eq!(asker.list(&ann, "", 1).await, all[..1]);
    assert_eq!(asker.list(&ann, &all[0], 10).await, all[1..]);
    // In the direct conversation they still are together.
    asker.suite.leave(&ann, id).await;
    assert_eq!(asker.filter(&ann, &everybody).await, texts([&ann, &bob]));
    assert_eq!(asker.filter(&cy, &everybody).await, texts([&bob, &cy]));
    asker.suite.stop().await;
}
