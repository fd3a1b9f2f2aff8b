//! A person's own sessions: listed, and ended from another device.

use auth::Person;
use ids::SessionId;
use problem::{Kind, Problem};

use crate::app::App;
use crate::domain::{Client, SecurityEvent};
use crate::store;
use crate::store::sessions::{self, Device};

impl App {
    /// The person's sessions that go on, last used first.
    pub async fn devices(&self, person: &Person) -> Result<Vec<Device>, Problem> {
        sessions::devices(&self.database, person.user, self.clock.unix_ms()).await
    }

    /// Ends one of the person's sessions, everywhere.
    pub async fn revoke_session(
        &self,
        person: &Person,
        session: &str,
        client: &Client,
    ) -> Result<(), Problem> {
        // What is no id is nobody's session.
        let session = SessionId::parse(session).map_err(|_| session_unknown())?;
        if session != person.session {
            self.fresh(person).await?;
        }
        let now = self.clock.unix_ms();
        let mut transaction = self.database.begin().await.map_err(store::failed)?;
        if sessions::owner(&mut transaction, session).await? != Some(person.user) {
            return Err(session_unknown());
        }
        sessions::end_in(&mut transaction, session, "revoked", now).await?;
        self.record(
            &mut transaction,
            person.user,
            SecurityEvent::SessionRevoked,
            Some(session),
            Some(client),
            "",
        )
        .await?;
        transaction.commit().await.map_err(store::failed)?;
        self.after_end(&[session], "revoked").await;
        Ok(())
    }

    /// Ends all of the person's sessions but this one, and says how many.
    pub async fn revoke_other_sessions(
        &self,
        person: &Person,
        client: &Client,
    ) -> Result<usize, Problem> {
        self.fresh(person).await?;
        let now = self.clock.unix_ms();
        let mut transaction = self.database.begin().await.map_err(store::failed)?;
        let ended = sessions::end_all_in(
            &mut transaction,
            person.user,
            Some(person.session),
            "revoked",
            now,
        )
        .await?;
        self.record(
            &mut transaction,
            person.user,
            SecurityEvent::OtherSessionsRevoked,
            Some(person.session),
            Some(client),
            "",
        )
        .await?;
        transaction.commit().await.map_err(store::failed)?;
        self.after_end(&ended, "revoked").await;
        Ok(ended.len())
    }
}

fn session_unknown() -> Problem {
    Problem::new(
        Kind::NotFound,
        "session_unknown",
        "You have no such session that goes on.",
    )
}
