//! Somebody writes at a steady rate while something happens; in the end everything must be there.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::wire::Entry;
use client::{Client, ConnectionState, Draft, Format, Session, SessionOptions, Update};
use ids::{ClientMessageId, ConversationId};
use tokio::time::{Instant, MissedTickBehavior};

use crate::people::{Stage, history, text};

/// Messages a second.
const RATE: u32 = 50;
/// How long everything may take to settle after the last message.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// What one device saw.
#[derive(Default)]
struct Screen {
    shown: Vec<Entry>,
    /// When each of `shown` was shown.
    shown_at: Vec<Instant>,
    /// Connections that were lost or left.
    disconnects: usize,
    acknowledged: HashMap<ClientMessageId, (u64, Instant)>,
    refused: Vec<String>,
    resets: usize,
}

fn device(
    stage: &Stage,
    person: &Client,
    format: Format,
    held: (ConversationId, u64),
) -> (Session, Arc<Mutex<Screen>>) {
    let screen = Arc::new(Mutex::new(Screen::default()));
    let mut options = SessionOptions {
        format,
        socket_url: Some(stage.suite.socket_url()),
        outbox: 100_000,
        ..SessionOptions::default()
    };
    options.engine.held.insert(held.0, held.1);
    let seen = Arc::clone(&screen);
    let session = Session::start_with(person, options, move |update| {
        let mut screen = seen.lock().unwrap();
        match update {
            Update::Shown { entry, .. } => {
                screen.shown.push(entry);
                screen.shown_at.push(Instant::now());
            }
            Update::Connection(ConnectionState::Waiting { .. }) => screen.disconnects += 1,
            Update::Acknowledged {
                client_message_id,
                number,
                ..
            } => {
                let again = screen
                    .acknowledged
                    .insert(client_message_id, (number, Instant::now()));
                assert!(again.is_none_or(|(first, _)| first == number));
            }
            Update::Refused { code, detail, .. } => {
                screen.refused.push(format!("{code}: {detail}"))
            }
            Update::Reset { .. } => screen.resets += 1,
            _ => {}
        }
    });
    (session, screen)
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    pub acknowledged: usize,
    /// From sending a message to its acknowledgement, the longest.
    pub longest: Duration,
    /// From sending each message to its being on Ben's screen, ascending.
    pub deliveries: Vec<Duration>,
    /// Of the device that lost the most connections.
    pub disconnects: usize,
}

impl Outcome {
    /// What this share of the deliveries took at most.
    pub fn delivered_within(&self, share: f64) -> Duration {
        let last = self.deliveries.len() - 1;
        self.deliveries[(last as f64 * share).ceil() as usize]
    }
}

/// Ada writes to Ben [`RATE`] messages a second for `duration` while `fault` happens. Afterwards every
/// message is acknowledged, in the history once, numbered without a gap, and on the screens of Ben and of
/// Ada's other device in order; and Ben's badge is right.
pub async fn steady_chat(
    stage: &Stage,
    duration: Duration,
    fault: impl Future<Output = ()>,
) -> Outcome {
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    let (session, adas) = device(stage, &ada, Format::Json, (conversation, 1));
    let (_other, adas_other) = device(stage, &ada, Format::Protobuf, (conversation, 1));
    let (_bens, bens) = device(stage, &ben, Format::Protobuf, (conversation, 1));

    let writing = async {
        let mut sent: BTreeMap<u32, (ClientMessageId, Instant)> = BTreeMap::new();
        let mut tick = tokio::time::interval(Duration::from_secs(1) / RATE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let until = Instant::now() + duration;
        while Instant::now() < until {
            tick.tick().await;
            let number = sent.len() as u32;
            let id = session
                .try_send(conversation, Draft::text(format!("message {number}")))
                .unwrap();
            sent.insert(number, (id, Instant::now()));
        }
        sent
    };
    let (sent, ()) = tokio::join!(writing, fault);

    // Everything settles by itself: nobody reloads, nobody sends anything more.
    let deadline = Instant::now() + SETTLED_WITHIN;
    let complete = |screen: &Screen| {
        screen
            .shown
            .iter()
            .filter(|entry| text(entry).is_some())
            .count()
            >= sent.len()
    };
    loop {
        let acknowledged = adas.lock().unwrap().acknowledged.len();
        let everywhere = [&adas, &adas_other, &bens]
            .iter()
            .all(|screen| complete(&screen.lock().unwrap()));
        if acknowledged >= sent.len() && everywhere {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "of {} messages {acknowledged} were acknowledged; shown to Ada {}, on her other device {}, to Ben {}",
            sent.len(),
            adas.lock().unwrap().shown.len(),
            adas_other.lock().unwrap().shown.len(),
            bens.lock().unwrap().shown.len(),
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let entries = history(&ben, conversation).await;
    let numbers: Vec<u64> = entries.iter().map(|entry| entry.number).collect();
    assert_eq!(
        numbers,
        (1..=sent.len() as u64 + 1).collect::<Vec<_>>(),
        "numbered without a gap"
    );
    let stored: HashMap<&str, u64> = entries
        .iter()
        .filter_map(|entry| text(entry).map(|words| (words, entry.number)))
        .collect();
    assert_eq!(stored.len(), sent.len(), "each message once");
    let longest = {
        let screen = adas.lock().unwrap();
        assert!(screen.refused.is_empty(), "{:?}", screen.refused);
        let mut longest = Duration::ZERO;
        for (number, (id, sent_at)) in &sent {
            let (acknowledged, at) = screen.acknowledged[id];
            longest = longest.max(at - *sent_at);
            assert_eq!(
                acknowledged,
                stored[format!("message {number}").as_str()],
                "acknowledged as it is stored"
            );
        }
        longest
    };
    for (name, screen) in [
        ("Ada", &adas),
        ("Ada's other device", &adas_other),
        ("Ben", &bens),
    ] {
        let screen = screen.lock().unwrap();
        assert_eq!(screen.resets, 0, "{name} was told to start anew");
        assert_eq!(screen.shown, entries[1..], "what {name} saw");
    }

    let state = ben.states(&[conversation]).await.unwrap().remove(0);
    assert_eq!(state.unread_count, sent.len() as u64);
    let state = ben
        .mark_read(conversation, state.head_number)
        .await
        .unwrap();
    assert_eq!(state.unread_count, 0);
    let mut deliveries: Vec<Duration> = {
        let screen = bens.lock().unwrap();
        let seen = screen.shown.iter().zip(&screen.shown_at);
        let words = seen.filter_map(|(entry, at)| Some((text(entry)?, at)));
        words
            .map(|(words, at)| {
                let number: u32 = words["message ".len()..].parse().unwrap();
                at.saturating_duration_since(sent[&number].1)
            })
            .collect()
    };
    deliveries.sort_unstable();
    let disconnects = [&adas, &adas_other, &bens].map(|screen| screen.lock().unwrap().disconnects);
    Outcome {
        acknowledged: sent.len(),
        longest,
        deliveries,
        disconnects: disconnects.into_iter().max().unwrap_or_default(),
    }
}
