//! Single rules, one at a time.

use proto::socket::{Closing, Hide, Joined, Left, MarkRead, Message, Resumed, Send, entry};

use super::*;

pub(super) const ME: UserId = UserId::from_bytes([1; 16]);
pub(super) const OTHER: UserId = UserId::from_bytes([2; 16]);
const CONVERSATION: ConversationId = ConversationId::from_bytes([3; 16]);

pub(super) fn message_id(n: u64) -> ClientMessageId {
    let mut bytes = [0; 16];
    bytes[6] = 0x70;
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    bytes[8] = 0x80;
    ClientMessageId::from_slice(&bytes).unwrap()
}

fn said(by: UserId, number: u64, id: u64) -> Entry {
    Entry {
        conversation_id: CONVERSATION.to_string(),
        number,
        previous_number: number - 1,
        countable_total: number,
        time_unix_ms: 0,
        actor_id: by.to_string(),
        change: Some(entry::Change::Message(Message {
            client_message_id: message_id(id).to_string(),
            text: format!("text {number}"),
            ..Message::default()
        })),
    }
}

fn state(head: u64, read: u64, unread: u64) -> ConversationState {
    ConversationState {
        conversation_id: CONVERSATION.to_string(),
        head_number: head,
        head_countable_total: head,
        read_number: read,
        unread_count: unread,
        ..ConversationState::default()
    }
}

/// An engine, and what it last said to do.
struct Bench {
    engine: Engine,
    now: u64,
}

impl Bench {
    fn new(config: Config) -> Self {
        Self {
            engine: Engine::new(ME, config, 1),
            now: 0,
        }
    }

    fn give(&mut self, input: Input) -> Vec<Action> {
        let mut out = Vec::new();
        self.engine.handle(self.now, input, &mut out);
        out
    }

    fn frame(&mut self, frame: server_frame::Frame) -> Vec<Action> {
        self.give(Input::Frame(frame))
    }

    fn entry(&mut self, entry: Entry) -> Vec<Action> {
        self.frame(server_frame::Frame::Entry(entry))
    }

    /// Up to the given time, as the shell would.
    fn wait_until(&mut self, until: u64) -> Vec<Action> {
        let mut out = Vec::new();
        while let Some(at) = self.engine.deadline()
            && at <= until
        {
            assert!(
                at > self.now || self.now == 0,
                "a deadline that doesn't move"
            );
            self.now = self.now.max(at);
            out.extend(self.give(Input::Tick));
        }
        self.now = until;
        out
    }

    fn connect(&mut self) -> Vec<Action> {
        self.wait_until(self.now + 60_000);
        let token = Token {
            access_token: "token".into(),
            renew_in_ms: 600_000,
        };
        let mut out = self.give(Input::Opened(token));
        out.extend(self.frame(server_frame::Frame::Welcome(Welcome {
            heartbeat_interval_ms: 15_000,
            cursor: "c0".into(),
            ..Welcome::default()
        })));
        out
    }

    /// Connected, and the conversation stands at `head`.
    fn caught_up_at(head: u64) -> Self {
        let mut bench = Self::new(Config::default());
        let out = bench.connect();
        assert!(out.contains(&Action::FetchStates));
        let out = bench.give(Input::States(Ok(vec![state(head, 0, head)])));
        assert!(connection_states(&out).contains(&ConnectionState::CaughtUp));
        bench
    }

    fn submit(&mut self, n: u64) -> Vec<Action> {
        self.give(Input::Submit {
            conversation: CONVERSATION,
            id: message_id(n),
            what: Draft::text("x").into(),
            attempts: 0,
        })
    }

    fn refuse(&mut self, n: u64, retry: bool) -> Vec<Action> {
        self.frame(server_frame::Frame::Refused(Refused {
            conversation_id: CONVERSATION.to_string(),
            client_message_id: message_id(n).to_string(),
            code: if retry { "retry" } else { "not_a_member" }.into(),
            detail: String::new(),
            retry,
            retry_after_ms: 100,
        }))
    }
}

fn shown(out: &[Action]) -> Vec<u64> {
    out.iter()
        .filter_map(|action| match action {
            Action::Tell(Update::Shown { entry, .. }) => Some(entry.number),
            _ => None,
        })
        .collect()
}

fn unread(out: &[Action]) -> Vec<u64> {
    out.iter()
        .filter_map(|action| match action {
            Action::Tell(Update::Shown { standing, .. }) => standing.map(|it| it.unread),
            Action::Tell(Update::State { standing, .. }) => Some(standing.unread),
            _ => None,
        })
        .collect()
}

fn connection_states(out: &[Action]) -> Vec<ConnectionState> {
    out.iter()
        .filter_map(|action| match action {
            Action::Tell(Update::Connection(state)) => Some(state.clone()),
            _ => None,
        })
        .collect()
}

fn sends(out: &[Action]) -> Vec<Send> {
    out.iter()
        .filter_map(|action| match action {
            Action::Transmit(client_frame::Frame::Send(send)) => Some(send.clone()),
            _ => None,
        })
        .collect()
}

fn hello(out: &[Action]) -> Option<Hello> {
    out.iter().find_map(|action| match action {
        Action::Transmit(client_frame::Frame::Hello(hello)) => Some(hello.clone()),
        _ => None,
    })
}

#[test]
fn an_entry_that_comes_twice_is_shown_once() {
    let mut bench = Bench::caught_up_at(5);
    assert_eq!(shown(&bench.entry(said(OTHER, 6, 1))), [6]);
    assert!(shown(&bench.entry(said(OTHER, 6, 1))).is_empty());
    assert!(shown(&bench.entry(said(OTHER, 5, 1))).is_empty());
}

#[test]
fn a_hole_is_filled_before_what_follows_is_shown() {
    let mut bench = Bench::caught_up_at(5);
    let out = bench.entry(said(OTHER, 8, 3));
    assert!(shown(&out).is_empty());
    assert!(out.contains(&Action::FetchEntries {
        conversation: CONVERSATION,
        after: 5
    }));
    let page = Page {
        entries: vec![said(OTHER, 6, 1), said(OTHER, 7, 2)],
        covered_to: 7,
        state: None,
    };
    let out = bench.give(Input::Entries {
        conversation: CONVERSATION,
        outcome: Ok(page),
    });
    assert_eq!(shown(&out), [6, 7, 8]);
}

#[test]
fn numbers_that_are_not_for_the_reader_are_no_hole() {
    let mut bench = Bench::caught_up_at(5);
    bench.entry(said(OTHER, 9, 3));
    let page = Page {
        entries: vec![],
        covered_to: 8,
        state: None,
    };
    let out = bench.give(Input::Entries {
        conversation: CONVERSATION,
        outcome: Ok(page),
    });
    assert_eq!(shown(&out), [9]);
}

#[test]
fn a_hole_that_the_store_does_not_show_yet_is_read_again_later() {
    let mut bench = Bench::caught_up_at(5);
    bench.entry(said(OTHER, 7, 2));
    let page = Page {
        entries: vec![],
        covered_to: 5,
        state: None,
    };
    let out = bench.give(Input::Entries {
        conversation: CONVERSATION,
        outcome: Ok(page),
    });
    assert_eq!(out, []);
    let out = bench.wait_until(bench.now + 1_000);
    assert!(out.contains(&Action::FetchEntries {
        conversation: CONVERSATION,
        after: 5
    }));
}

#[test]
fn fewer_frames_than_the_heartbeat_counts_mean_a_new_connection_with_the_old_cursor() {
    let mut bench = Bench::caught_up_at(5);
    bench.entry(said(OTHER, 6, 1));
    let out = bench.frame(server_frame::Frame::Heartbeat(Heartbeat {
        frames_sent: 1,
        cursor: "c1".into(),
        ..Heartbeat::default()
    }));
    assert_eq!(out, []);
    // What is said of a mark that wasn't taken counts too: nothing else would tell of it.
    bench.frame(server_frame::Frame::Error(proto::socket::Error::default()));
    let out = bench.frame(server_frame::Frame::Heartbeat(Heartbeat {
        frames_sent: 3,
        cursor: "c2".into(),
        ..Heartbeat::default()
    }));
    assert!(out.contains(&Action::Disconnect));
    let out = bench.connect();
    assert_eq!(hello(&out).unwrap().cursor, "c1");
}

#[test]
fn silence_of_two_heartbeats_is_a_ghost() {
    let mut bench = Bench::caught_up_at(5);
    let out = bench.wait_until(bench.now + 29_999);
    assert_eq!(out, []);
    let out = bench.wait_until(bench.now + 1);
    assert_eq!(out[0], Action::Disconnect);
    assert!(matches!(
        connection_states(&out)[..],
        [ConnectionState::Waiting { .. }, ..]
    ));
}

#[test]
fn a_complete_resume_fills_what_changed_and_an_incomplete_one_compares_all() {
    for complete in [true, false] {
        let mut bench = Bench::caught_up_at(5);
        bench.give(Input::Closed { code: None });
        let out = bench.connect();
        assert_eq!(hello(&out).unwrap().cursor, "c0");
        let out = bench.frame(server_frame::Frame::Resumed(Resumed {
            complete,
            changed: if complete {
                vec![state(7, 0, 7)]
            } else {
                vec![]
            },
            cursor: "c9".into(),
        }));
        let out = if complete {
            out
        } else {
            assert!(out.contains(&Action::FetchStates));
            bench.give(Input::States(Ok(vec![state(7, 0, 7)])))
        };
        assert!(out.contains(&Action::FetchEntries {
            conversation: CONVERSATION,
            after: 5
        }));
        let page = Page {
            entries: vec![said(OTHER, 6, 1), said(OTHER, 7, 2)],
            covered_to: 7,
            state: None,
        };
        let out = bench.give(Input::Entries {
            conversation: CONVERSATION,
            outcome: Ok(page),
        });
        assert_eq!(shown(&out), [6, 7]);
        assert_eq!(connection_states(&out), [ConnectionState::CaughtUp]);
    }
}

#[test]
fn a_loss_sends_everything_again_in_order_from_a_new_beginning() {
    let mut bench = Bench::caught_up_at(5);
    for n in 1..=3 {
        assert_eq!(sends(&bench.submit(n)).len(), 1);
    }
    bench.entry(said(ME, 6, 1));
    bench.give(Input::Closed { code: None });
    let sent = sends(&bench.connect());
    let ids: Vec<_> = sent
        .iter()
        .map(|send| send.client_message_id.clone())
        .collect();
    assert_eq!(ids, [message_id(2).to_string(), message_id(3).to_string()]);
    assert_eq!(
        sent.iter().map(|send| send.attempt).collect::<Vec<_>>(),
        [2, 2]
    );
    assert_eq!(
        sent.iter()
            .map(|send| send.outbox_restart)
            .collect::<Vec<_>>(),
        [true, false]
    );
}

#[test]
fn a_refusal_with_retry_holds_the_conversation_and_begins_anew() {
    let mut bench = Bench::caught_up_at(5);
    for n in 1..=3 {
        bench.submit(n);
    }
    assert_eq!(sends(&bench.refuse(1, true)), []);
    assert_eq!(sends(&bench.refuse(2, true)), []);
    assert_eq!(sends(&bench.submit(4)), []);
    let sent = sends(&bench.wait_until(bench.now + 1_000));
    assert_eq!(sent.len(), 4);
    assert!(sent[0].outbox_restart && !sent[1].outbox_restart);
    assert_eq!(
        sent.iter().map(|send| send.attempt).collect::<Vec<_>>(),
        [2, 2, 2, 1]
    );
}

#[test]
fn a_final_refusal_leaves_the_rest_alone() {
    let mut bench = Bench::caught_up_at(5);
    bench.submit(1);
    bench.submit(2);
    let out = bench.refuse(1, false);
    assert!(
        matches!(&out[..], [Action::Tell(Update::Refused { code, .. })] if code == "not_a_member")
    );
    assert_eq!(bench.refuse(1, false), []);
    let out = bench.entry(said(ME, 6, 2));
    assert!(matches!(
        &out[0],
        Action::Tell(Update::Acknowledged { number: 6, .. })
    ));
}

#[test]
fn an_answer_that_never_comes_is_asked_for_again() {
    let mut bench = Bench::caught_up_at(5);
    bench.submit(1);
    let sent = sends(&bench.wait_until(bench.now + 10_000));
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].attempt, sent[0].outbox_restart), (2, true));
}

#[test]
fn no_more_than_a_window_of_messages_waits_for_answers() {
    let mut bench = Bench::new(Config {
        window: 2,
        ..Config::default()
    });
    bench.connect();
    bench.give(Input::States(Ok(vec![state(0, 0, 0)])));
    assert_eq!(
        sends(&bench.submit(1)).len() + sends(&bench.submit(2)).len(),
        2
    );
    assert_eq!(sends(&bench.submit(3)), []);
    let out = bench.entry(said(ME, 1, 1));
    assert_eq!(sends(&out)[0].client_message_id, message_id(3).to_string());
}

#[test]
fn unread_is_a_difference_of_totals_without_own_messages() {
    let mut bench = Bench::caught_up_at(5);
    assert_eq!(unread(&bench.entry(said(OTHER, 6, 1))), [6]);
    assert_eq!(unread(&bench.entry(said(ME, 7, 2))), [6]);
    assert_eq!(unread(&bench.entry(said(OTHER, 8, 3))), [7]);
    // A state that was made between 7 and 8 arrives after 8.
    let out = bench.frame(server_frame::Frame::State(state(7, 6, 0)));
    assert_eq!(unread(&out), [1]);
    // One from before it changes nothing.
    assert_eq!(bench.frame(server_frame::Frame::State(state(6, 5, 1))), []);
}

#[test]
fn a_leave_is_the_end_and_a_return_begins_after_the_time_between() {
    let mut bench = Bench::caught_up_at(5);
    let left = Entry {
        change: Some(entry::Change::Left(Left {
            user_id: ME.to_string(),
        })),
        ..said(OTHER, 6, 0)
    };
    let out = bench.entry(left);
    assert_eq!(shown(&out), [6]);
    assert_eq!(unread(&out), [0], "who left has nothing to read");
    let joined = Entry {
        change: Some(entry::Change::Joined(Joined {
            user_id: ME.to_string(),
        })),
        ..said(ME, 10, 0)
    };
    let out = bench.entry(joined.clone());
    assert!(out.contains(&Action::FetchEntries {
        conversation: CONVERSATION,
        after: 6
    }));
    let page = Page {
        entries: vec![joined],
        covered_to: 10,
        state: None,
    };
    let out = bench.give(Input::Entries {
        conversation: CONVERSATION,
        outcome: Ok(page),
    });
    assert_eq!(shown(&out), [10]);
    assert_eq!(unread(&out), [0]);
}

#[test]
fn of_a_deleted_group_nothing_is_unread() {
    let mut bench = Bench::caught_up_at(5);
    assert_eq!(unread(&bench.entry(said(OTHER, 6, 1))), [6]);
    let deleted = Entry {
        change: Some(entry::Change::GroupDeleted(
            proto::socket::GroupDeleted::default(),
        )),
        ..said(OTHER, 7, 1)
    };
    let out = bench.entry(deleted);
    assert_eq!(shown(&out), [7]);
    assert_eq!(unread(&out), [0]);
}

#[test]
fn a_hole_that_is_too_large_is_reported_instead_of_filled() {
    let mut bench = Bench::caught_up_at(5);
    let out = bench.entry(said(OTHER, 20_000, 1));
    assert_eq!(shown(&out), [20_000]);
    let reset = Update::Reset {
        conversation: CONVERSATION,
        held: 19_999,
        code: None,
    };
    assert_eq!(out[0], Action::Tell(reset));
    assert!(out.contains(&Action::FetchStates));
}

#[test]
fn a_mark_is_sent_once_a_connection_and_never_passes_the_head() {
    let mut bench = Bench::caught_up_at(5);
    let mark = |number| {
        Action::Transmit(client_frame::Frame::MarkRead(MarkRead {
            conversation_id: CONVERSATION.to_string(),
            number,
        }))
    };
    let out = bench.give(Input::Read {
        conversation: CONVERSATION,
        number: 9,
    });
    assert_eq!(out, [mark(5)]);
    assert_eq!(
        bench.give(Input::Read {
            conversation: CONVERSATION,
            number: 5
        }),
        []
    );
    bench.give(Input::Closed { code: None });
    assert!(bench.connect().contains(&mark(5)));
    bench.frame(server_frame::Frame::State(state(5, 5, 0)));
    bench.give(Input::Closed { code: None });
    assert!(!bench.connect().contains(&mark(5)));
}

#[test]
fn a_heartbeat_from_before_a_hide_was_read_does_not_vouch_for_it() {
    let mut bench = Bench::caught_up_at(5);
    let (conversation, number) = (CONVERSATION, 5);
    let hide = || {
        Action::Transmit(client_frame::Frame::Hide(Hide {
            conversation_id: conversation.to_string(),
            number,
        }))
    };
    let two_heartbeats = |bench: &mut Bench, frames_received| {
        for _ in 0..2 {
            bench.wait_until(bench.now + 16_000);
            bench.frame(server_frame::Frame::Heartbeat(Heartbeat {
                frames_received,
                server_time_unix_ms: bench.now as i64,
                ..Heartbeat::default()
            }));
        }
    };
    let refused = || {
        server_frame::Frame::Error(proto::socket::Error {
            code: "rate_limited".into(),
            frame: "hide".into(),
            ..proto::socket::Error::default()
        })
    };
    let wish = Input::Hide {
        conversation,
        number,
    };
    assert_eq!(bench.give(wish), [hide()]);
    two_heartbeats(&mut bench, 0);
    bench.frame(refused());
    assert!(bench.wait_until(bench.now + 1_000).contains(&hide()));
    two_heartbeats(&mut bench, 2);
    bench.frame(refused());
    assert!(!bench.wait_until(bench.now + 1_000).contains(&hide()));
}

#[test]
fn a_closing_server_is_left_when_it_says_and_used_until_then() {
    let mut bench = Bench::caught_up_at(5);
    bench.frame(server_frame::Frame::Closing(Closing {
        reconnect_after_ms: 700,
        reason: "draining".into(),
    }));
    assert_eq!(sends(&bench.submit(1)).len(), 1);
    assert_eq!(bench.wait_until(bench.now + 699), []);
    let out = bench.wait_until(bench.now + 1);
    assert!(out.contains(&Action::Connect { fresh_token: false }));
    assert_eq!(sends(&bench.connect()).len(), 1, "it wasn't answered");
}

#[test]
fn a_token_that_was_not_accepted_is_replaced_and_an_ended_session_ends() {
    let mut bench = Bench::caught_up_at(5);
    bench.give(Input::Closed {
        code: Some(close_code::TOKEN_INVALID),
    });
    let out = bench.wait_until(bench.now + 60_000);
    assert!(out.contains(&Action::Connect { fresh_token: true }));

    let mut bench = Bench::caught_up_at(5);
    let out = bench.give(Input::Closed {
        code: Some(close_code::SESSION_ENDED),
    });
    assert!(matches!(
        &connection_states(&out)[..],
        [ConnectionState::Ended { .. }]
    ));
    assert!(bench.engine.is_over());
}

#[test]
fn an_entry_that_arrives_before_the_first_comparison_is_shown_after_it() {
    let mut bench = Bench::new(Config::default());
    bench.connect();
    assert!(shown(&bench.entry(said(OTHER, 5, 1))).is_empty());
    let out = bench.give(Input::States(Ok(vec![state(6, 0, 6)])));
    assert_eq!(shown(&out), [5]);
    assert!(out.contains(&Action::FetchEntries {
        conversation: CONVERSATION,
        after: 5
    }));
}

fn typings(out: &[Action]) -> Vec<String> {
    out.iter()
        .filter_map(|action| match action {
            Action::Transmit(client_frame::Frame::Typing(typing)) => Some(typing.state.clone()),
            _ => None,
        })
        .collect()
}

fn watches(out: &[Action]) -> Vec<usize> {
    out.iter()
        .filter_map(|action| match action {
            Action::Transmit(client_frame::Frame::WatchPresence(watch)) => {
                Some(watch.user_ids.len())
            }
            _ => None,
        })
        .collect()
}

#[test]
fn typing_is_said_every_three_seconds_and_ended_by_a_message_or_by_word() {
    let mut bench = Bench::caught_up_at(0);
    let key = |bench: &mut Bench, is_typing| {
        let conversation = CONVERSATION;
        let out = bench.give(Input::Typing {
            conversation,
            is_typing,
        });
        typings(&out)
    };
    assert!(key(&mut bench, false).is_empty(), "nothing was said");
    assert_eq!(key(&mut bench, true), ["started"]);
    bench.now += 2_999;
    assert!(key(&mut bench, true).is_empty());
    bench.now += 1;
    assert_eq!(key(&mut bench, true), ["started"]);
    assert_eq!(key(&mut bench, false), ["stopped"]);

    assert_eq!(key(&mut bench, true), ["started"]);
    bench.submit(1);
    assert!(key(&mut bench, false).is_empty(), "the message says so");
    bench.give(Input::Closed { code: None });
    assert!(key(&mut bench, true).is_empty(), "nobody is there to tell");
    bench.connect();
    assert_eq!(key(&mut bench, true), ["started"]);
}

#[test]
fn others_who_type_are_told_in_conversations_that_are_followed() {
    let mut bench = Bench::new(Config {
        only: Some([CONVERSATION].into()),
        ..Config::default()
    });
    bench.connect();
    let typing = |conversation: ConversationId, state: &str| {
        server_frame::Frame::Typing(proto::socket::MemberTyping {
            conversation_id: conversation.to_string(),
            user_id: OTHER.to_string(),
            state: state.into(),
            expires_in_ms: 5_000,
        })
    };
    let told = |typing| {
        let (conversation, user) = (CONVERSATION, OTHER);
        Action::Tell(Update::Typing {
            conversation,
            user,
            typing,
        })
    };
    let expires_in_ms = 5_000;
    assert_eq!(
        bench.frame(typing(CONVERSATION, "started")),
        [told(Typing::Started { expires_in_ms })]
    );
    assert_eq!(
        bench.frame(typing(CONVERSATION, "stopped")),
        [told(Typing::Stopped)]
    );
    let elsewhere = ConversationId::from_bytes([77; 16]);
    assert!(bench.frame(typing(elsewhere, "started")).is_empty());
}

#[test]
fn whoever_is_watched_is_asked_for_again_on_a_new_socket_and_after_too_many_questions() {
    let mut bench = Bench::caught_up_at(0);
    assert_eq!(watches(&bench.give(Input::Watch(vec![OTHER]))), [1]);
    let out = bench.frame(server_frame::Frame::Presence(proto::socket::Presence {
        user_id: OTHER.to_string(),
        state: "offline".into(),
        last_seen_unix_ms: 7,
    }));
    let presence = Presence::Offline {
        last_seen_unix_ms: Some(7),
    };
    let user = OTHER;
    assert_eq!(out, [Action::Tell(Update::Presence { user, presence })]);

    bench.frame(server_frame::Frame::Error(proto::socket::Error {
        code: "rate_limited".into(),
        detail: String::new(),
        frame: "watch_presence".into(),
    }));
    assert_eq!(watches(&bench.wait_until(bench.now + 1_000)), [1]);

    bench.give(Input::Closed { code: None });
    assert_eq!(watches(&bench.connect()), [1]);
    assert_eq!(watches(&bench.give(Input::Watch(Vec::new()))), [0]);
    bench.give(Input::Closed { code: None });
    assert!(watches(&bench.connect()).is_empty(), "nobody is watched");
}

#[test]
fn receipts_that_were_missed_are_read_for_what_is_on_the_screen() {
    let mut bench = Bench::caught_up_at(5);
    let fetch = Action::FetchMarks {
        conversation: CONVERSATION,
    };
    assert_eq!(bench.give(Input::OnScreen([CONVERSATION].into())), [fetch]);
    let marks = |read_number| Input::Marks {
        conversation: CONVERSATION,
        outcome: Ok([ME, OTHER]
            .map(|user| Receipt {
                conversation_id: CONVERSATION.to_string(),
                user_id: user.to_string(),
                delivered_number: read_number,
                read_number,
                time_unix_ms: 9,
            })
            .into()),
    };
    let told = |read| {
        Action::Tell(Update::Receipt {
            conversation: CONVERSATION,
            user: OTHER,
            delivered: read,
            read,
            time_unix_ms: 9,
        })
    };
    assert_eq!(bench.give(marks(3)), [told(3)]);
    assert!(bench.give(Input::Tick).is_empty(), "once");

    bench.give(Input::Closed { code: None });
    let fetch = Action::FetchMarks {
        conversation: CONVERSATION,
    };
    assert!(bench.connect().contains(&fetch), "it may have been missed");
    assert!(bench.give(marks(5)).contains(&told(5)));
    let resync = server_frame::Frame::Resync(proto::socket::Resync::default());
    assert!(bench.frame(resync).contains(&fetch));
    assert!(
        !bench.give(marks(4)).contains(&told(4)),
        "it never goes back"
    );
    bench.give(Input::OnScreen(BTreeSet::new()));
    bench.give(Input::Closed { code: None });
    assert!(!bench.connect().contains(&fetch));
}
