//! Changes of contacts, told to every gateway, so that people's devices ask for them again.
//!
//! A hint: it says nothing of what has changed, and told twice it does no harm.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ids::UserId;
use lifecycle::Lifecycle;
use proto::event::{Delivery, delivery};
use proto::socket::ContactsChanged;

use super::relay::{self, Outbox};
use crate::app::App;
use crate::store::contacts;

/// Empties the outbox, whenever the bell rings and now and then.
pub fn relay(lifecycle: &Lifecycle, app: Arc<App>) {
    let outbox = Outbox {
        name: "changed contacts",
        bell: Some(|app| &app.contacts_changed),
        look: Duration::from_secs(5),
        longest: Duration::from_secs(5),
    };
    relay::relay(lifecycle, app, outbox, drain);
}

async fn drain(app: Arc<App>) -> anyhow::Result<()> {
    loop {
        let changed = contacts::pending_changes(&app.database)
            .await
            .context("read the outbox")?;
        if changed.is_empty() {
            return Ok(());
        }
        // What changed twice is asked for once.
        let users: BTreeSet<UserId> = changed.iter().map(|change| change.user).collect();
        let delivery = Delivery {
            users: events::pack_users(&users),
            origin: None,
            event: Some(delivery::Event::ContactsChanged(ContactsChanged {})),
        };
        app.gateways.tell(vec![delivery]).await?;
        let positions: Vec<i64> = changed.iter().map(|change| change.position).collect();
        contacts::forget_changes(&app.database, &positions)
            .await
            .context("empty the outbox")?;
    }
}
