//! A running suite, and people in it.

use std::borrow::Borrow;
use std::ops::Deref;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use client::wire::Entry;
use client::{
    Api, Client, ConnectionState, Format, Position, Registration, Session, SessionOptions, Update,
    Updates,
};
use ids::ConversationId;
use local_stack::suite::{Options, Suite};
use tokio::runtime::Runtime;
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How long anything may take that takes milliseconds on an idle machine. A delivery that got lost on its
/// way is noticed by the next heartbeat, after 15 seconds at the latest, and fetched.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// What a test has of the machine while it runs.
#[derive(Debug)]
pub enum Turn {
    /// It waits for what must happen; how long that takes says nothing.
    WithOthers { _held: RwLockReadGuard<'static, ()> },
    /// It measures, or looks at what comes to rest.
    Alone {
        _held: RwLockWriteGuard<'static, ()>,
    },
}

static MACHINE: RwLock<()> = RwLock::const_new(());

impl Turn {
    pub async fn with_others() -> Self {
        Self::WithOthers {
            _held: MACHINE.read().await,
        }
    }

    /// Waits until no other test runs, and none starts until this is dropped.
    pub async fn alone() -> Self {
        Self::Alone {
            _held: MACHINE.write().await,
        }
    }
}

/// A suite in a folder of its own, which goes with it.
pub struct Stage {
    pub suite: Suite,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn set_with(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::for_tests(folder.path());
        // Everybody here comes from one address.
        for name in [
            "ACCOUNT__LIMITS__TRIES_PER_ADDRESS",
            // A test asks again and again.
            "CONVERSATION__LIMITS__REPORTS__TRIES",
        ] {
            let much = "100000".to_owned();
            options.environment.push((name.to_owned(), much));
        }
        change(&mut options);
        let suite = Suite::start(options).await.unwrap();
        Self {
            suite,
            _folder: folder,
        }
    }

    /// Registers somebody nobody knows yet.
    pub async fn person(&self, name: &str) -> Client {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Api::new(&self.suite.origin())
            .unwrap()
            .register(&Registration {
                email: format!("{name}.{number}@example.org"),
                password: "correct horse battery".to_owned(),
                display_name: name.to_owned(),
                handle: Some(format!("{name}.{number}")),
                device_name: "test".to_owned(),
            })
            .await
            .unwrap()
    }

    /// A session on one particular gateway that has caught up: what was written before it had is history,
    /// and not shown.
    pub async fn session_on(
        &self,
        gateway: usize,
        format: Format,
        person: &Client,
    ) -> (Session, Updates) {
        let (session, mut updates) = Session::start(
            person,
            SessionOptions {
                format,
                socket_url: Some(self.suite.gateways[gateway].socket_url()),
                ..SessionOptions::default()
            },
        );
        next(&mut updates, |update| {
            (update == Update::Connection(ConnectionState::CaughtUp)).then_some(())
        })
        .await;
        (session, updates)
    }
}

/// A stage, and the turn of the test that has it.
pub struct OnStage<T> {
    stage: T,
    _turn: Turn,
}

impl<T: Borrow<Stage>> Deref for OnStage<T> {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        self.stage.borrow()
    }
}

/// The suite of the tests that break nothing.
pub async fn stage(turn: Turn) -> OnStage<&'static Stage> {
    // It lives on a runtime of its own: that of a test ends with the test.
    static STAGE: OnceCell<Stage> = OnceCell::const_new();
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    let set = async || RUNTIME.spawn(Stage::set_with(|_| {})).await.unwrap();
    OnStage {
        stage: STAGE.get_or_init(set).await,
        _turn: turn,
    }
}

/// A suite for one test, with options of its own.
pub async fn own_stage(turn: Turn, change: impl FnOnce(&mut Options)) -> OnStage<Stage> {
    OnStage {
        stage: Stage::set_with(change).await,
        _turn: turn,
    }
}

/// The next update that `wanted` picks; the others are dropped.
pub async fn next<T>(updates: &mut Updates, mut wanted: impl FnMut(Update) -> Option<T>) -> T {
    tokio::time::timeout(PATIENCE, async {
        loop {
            let update = updates.recv().await.expect("the session is alive");
            if let Some(found) = wanted(update) {
                return found;
            }
        }
    })
    .await
    .expect("it came in time")
}

/// The text of an entry, if it is a message.
pub fn text(entry: &Entry) -> Option<&str> {
    match &entry.change {
        Some(client::wire::entry::Change::Message(message)) => Some(&message.text),
        _ => None,
    }
}

/// The whole history that somebody may see, ascending.
pub async fn history(person: &Client, conversation: ConversationId) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut after = 0;
    loop {
        let page = person
            .entries(conversation, Position::After(after), 100)
            .await
            .unwrap();
        entries.extend(page.entries);
        let head = page.state.expect("a page has a state").head_number;
        if page.covered_to <= after || page.covered_to >= head {
            return entries;
        }
        after = page.covered_to;
    }
}

/// The messages of it.
pub async fn texts(person: &Client, conversation: ConversationId) -> Vec<String> {
    let entries = history(person, conversation).await;
    let texts = entries.iter().filter_map(text);
    texts.map(ToOwned::to_owned).collect()
}
