//! Faults to plant into good histories. Each returns false where there is no place for it.

#![expect(
    clippy::ptr_arg,
    reason = "all have the type of those that add or remove events"
)]

use std::collections::HashMap;

use ids::{ClientMessageId, MessageId};
use rand::RngExt as _;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use uuid::Uuid;
use verify::check::Invariant;
use verify::history::*;

type Mutation = fn(&mut Vec<Event>, &mut SmallRng) -> bool;

/// Name, the invariant that has to be found violated, and how.
pub const MUTATIONS: &[(&str, Invariant, Mutation)] = &[
    (
        "lose from one history",
        Invariant::LostFromHistory,
        lose_from_one,
    ),
    (
        "lose from all histories",
        Invariant::LostFromHistory,
        lose_from_all,
    ),
    ("a hole in a page", Invariant::LostFromHistory, hole_in_page),
    ("never show", Invariant::NeverDelivered, never_show),
    ("lose the tail", Invariant::NeverDelivered, lose_tail),
    ("show twice", Invariant::ShownTwice, show_twice),
    ("store twice", Invariant::DuplicateSend, store_twice),
    (
        "acknowledge differently",
        Invariant::Idempotency,
        acknowledge_differently,
    ),
    (
        "another message under a number",
        Invariant::InconsistentNumber,
        other_message,
    ),
    (
        "another author under a number",
        Invariant::InconsistentNumber,
        other_author,
    ),
    ("renumber a message", Invariant::MessageMoved, renumber),
    ("swap two on a device", Invariant::Reordered, swap_shown),
    ("skip a number", Invariant::GapInSequence, skip_number),
    (
        "swap across an acknowledgement",
        Invariant::RealTimeOrder,
        swap_acknowledged,
    ),
    ("overtake on a device", Invariant::RealTimeOrder, overtake),
    ("a message from nowhere", Invariant::Phantom, phantom),
    ("corrupt a content", Invariant::CorruptBody, corrupt),
    (
        "refuse what is there",
        Invariant::AbortedSendVisible,
        refuse_visible,
    ),
    (
        "a page without own words",
        Invariant::ReadYourWrites,
        forget_own,
    ),
    ("a head goes back", Invariant::TimeTravel, head_back),
    (
        "a page's head goes back",
        Invariant::TimeTravel,
        page_head_back,
    ),
    ("shuffle a page", Invariant::PageNotSorted, shuffle_page),
    ("double in a page", Invariant::PageNotSorted, double_in_page),
    ("a mark goes back", Invariant::MarkWentBack, mark_back),
    ("forget a mark", Invariant::FinalMarkWrong, forget_mark),
    (
        "a mark that nobody set",
        Invariant::FinalMarkWrong,
        invent_mark,
    ),
    ("miscount a badge", Invariant::UnreadWrong, miscount),
    ("count own messages", Invariant::UnreadWrong, count_own),
    (
        "a session's last badge",
        Invariant::UnreadWrong,
        stale_badge,
    ),
    (
        "count deleted messages",
        Invariant::UnreadWrong,
        count_deleted,
    ),
    (
        "a delivery that didn't happen",
        Invariant::ReceiptBeforeDelivery,
        invent_delivery,
    ),
    ("a change from nowhere", Invariant::Phantom, phantom_change),
    (
        "store a change twice",
        Invariant::DuplicateSend,
        change_twice,
    ),
    ("corrupt an edit", Invariant::CorruptBody, corrupt_edit),
    (
        "never answer a change",
        Invariant::Unresolved,
        never_answer_change,
    ),
    (
        "a receipt that nobody gave",
        Invariant::ReceiptBeforeRead,
        invent_receipt,
    ),
    (
        "a receipt beyond the end",
        Invariant::ReceiptBeforeMessage,
        receipt_beyond,
    ),
    (
        "a receipt goes back",
        Invariant::ReceiptWentBack,
        receipt_back,
    ),
    (
        "leak to who left",
        Invariant::DeliveredToNonMember,
        leak_to_who_left,
    ),
    (
        "leak to a stranger",
        Invariant::DeliveredToNonMember,
        leak_to_stranger,
    ),
    (
        "let a removed person write",
        Invariant::WrittenByNonMember,
        write_removed,
    ),
    (
        "number before an earlier removal",
        Invariant::WrittenByNonMember,
        before_removal,
    ),
    ("forget an edit", Invariant::EditLost, forget_edit),
    (
        "resurrect in the end",
        Invariant::DeletedReturned,
        resurrect,
    ),
    (
        "resurrect for a moment",
        Invariant::DeletedReturned,
        resurrect_for_a_moment,
    ),
    (
        "forget a reaction in the end",
        Invariant::ReactionsWrong,
        forget_reaction,
    ),
    (
        "a reaction that nobody made",
        Invariant::ReactionsWrong,
        invent_reaction,
    ),
    (
        "a device that misses a reaction",
        Invariant::ReactionsWrong,
        miss_reaction,
    ),
    (
        "corrupt a reaction",
        Invariant::CorruptBody,
        corrupt_reaction,
    ),
    (
        "show what was hidden",
        Invariant::HiddenReturned,
        show_hidden,
    ),
    (
        "hide what nobody hid",
        Invariant::HiddenWrong,
        invent_hidden,
    ),
    (
        "never tell a device what is hidden",
        Invariant::HiddenWrong,
        never_tell_hidden,
    ),
    (
        "tell in another order what is hidden",
        Invariant::HiddenWrong,
        reorder_hidden,
    ),
    ("forget to hide", Invariant::Unresolved, forget_to_hide),
    (
        "count hidden messages",
        Invariant::UnreadWrong,
        count_hidden,
    ),
    (
        "let a conversation look unread",
        Invariant::MarkedUnreadWrong,
        invent_mark_unread,
    ),
    (
        "look unread on one device",
        Invariant::MarkedUnreadWrong,
        look_different,
    ),
    ("damage a file", Invariant::FileDamaged, damage_file),
    ("refuse a file", Invariant::FileDamaged, refuse_file),
    ("leak a file", Invariant::FileLeaked, leak_file),
    (
        "one id for two messages",
        Invariant::IdReused,
        reuse_message_id,
    ),
    ("one id for two files", Invariant::IdReused, reuse_file_id),
    ("never answer", Invariant::Unresolved, never_answer),
    ("answer late", Invariant::NotLive, answer_late),
];

type Spoil = fn(&mut Vec<Event>);

/// What takes the proof away without being a fault.
pub const DOUBTS: &[(&str, Spoil)] = &[
    ("nobody quiesced", |events| {
        events.retain(|event| event.e != What::Phase(Phase::Final));
    }),
    ("a fault without effect", |events| {
        for event in events {
            if let What::Fault { effect, .. } = &mut event.e {
                *effect = None;
            }
        }
    }),
    ("a member who did not read in the end", |events| {
        let fresh = events
            .iter()
            .find_map(|event| match event.e {
                What::Device {
                    d,
                    kind: DeviceKind::Fresh,
                    ..
                } => Some(d),
                _ => None,
            })
            .unwrap();
        events.retain(|event| !matches!(event.e, What::Page { d, .. } if d == fresh));
    }),
    ("nothing was done", |events| {
        events.retain(|event| {
            !matches!(
                event.e,
                What::Send { .. }
                    | What::Shown { .. }
                    | What::Wire { .. }
                    | What::Page { .. }
                    | What::Standing { .. }
                    | What::Member { .. }
                    | What::Edit { .. }
                    | What::Delete { .. }
                    | What::React { .. }
                    | What::Hide { .. }
                    | What::Hidden { .. }
                    | What::MarkUnread { .. }
                    | What::Receipt { .. }
                    | What::Downloaded { .. }
            )
        });
    }),
];

/// The places where `pick` finds something.
fn places<T>(events: &[Event], pick: impl Fn(&What) -> Option<T>) -> Vec<(usize, T)> {
    events
        .iter()
        .enumerate()
        .filter_map(|(index, event)| Some((index, pick(&event.e)?)))
        .collect()
}

fn one<T: Clone>(rng: &mut SmallRng, places: &[(usize, T)]) -> Option<(usize, T)> {
    places.choose(rng).cloned()
}

/// Plants an event directly after another.
fn insert_after(events: &mut Vec<Event>, index: usize, e: What) {
    let t = events[index].t;
    events.insert(index + 1, Event { t, e });
}

fn person_of(events: &[Event], device: Device) -> Person {
    events
        .iter()
        .find_map(|event| match event.e {
            What::Device { d, u, .. } if d == device => Some(u),
            _ => None,
        })
        .unwrap()
}

fn device_of(events: &[Event], person: Person, wanted: DeviceKind) -> Device {
    events
        .iter()
        .find_map(|event| match event.e {
            What::Device { d, u, kind } if u == person && kind == wanted => Some(d),
            _ => None,
        })
        .unwrap()
}

/// Every entry of a conversation, as it was first, and from which line.
fn entries(events: &[Event], conversation: Conversation) -> Vec<(u64, Entry)> {
    let mut found: HashMap<u64, Entry> = HashMap::new();
    for event in events {
        match &event.e {
            What::Shown { c, entry, .. } | What::Wire { c, entry, .. } if *c == conversation => {
                found.entry(entry.n).or_insert_with(|| entry.clone());
            }
            What::Page { c, entries, .. } if *c == conversation => {
                for entry in entries {
                    found.entry(entry.n).or_insert_with(|| entry.clone());
                }
            }
            _ => {}
        }
    }
    let mut all: Vec<(u64, Entry)> = found.into_iter().collect();
    all.sort_by_key(|(n, _)| *n);
    all
}

fn last_number(events: &[Event], c: Conversation) -> u64 {
    entries(events, c).last().map_or(0, |(n, _)| *n)
}

fn conversations(events: &[Event]) -> Vec<Conversation> {
    places(events, |e| match e {
        What::Conversation { c, .. } => Some(*c),
        _ => None,
    })
    .into_iter()
    .map(|(_, c)| c)
    .collect()
}

fn any_conversation(events: &[Event], rng: &mut SmallRng) -> Conversation {
    *conversations(events).choose(rng).unwrap()
}

/// The members of a conversation in the end.
fn members(events: &[Event], c: Conversation) -> Vec<Person> {
    let mut members: Vec<Person> = Vec::new();
    for (_, entry) in entries(events, c) {
        match entry.is {
            Change::Created { members: first } => members.extend(first),
            Change::Joined { who } => members.push(who),
            Change::Left { who } => members.retain(|u| *u != who),
            _ => {}
        }
    }
    members
}

fn was_ever_in(events: &[Event], c: Conversation, u: Person) -> bool {
    entries(events, c).iter().any(|(_, entry)| match &entry.is {
        Change::Created { members } => members.contains(&u),
        Change::Joined { who } => *who == u,
        _ => false,
    })
}

/// Whether a person hid an entry at any time: then it may be missing on their devices.
fn is_hidden(events: &[Event], u: Person, conversation: Conversation, n: u64) -> bool {
    events.iter().any(|event| {
        matches!(event.e, What::Hide { d, c, target }
            if (c, target) == (conversation, n) && person_of(events, d) == u)
    })
}

fn new_uuid(rng: &mut SmallRng) -> Uuid {
    let mut bytes: [u8; 16] = rng.random();
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    Uuid::from_bytes(bytes)
}

/// Index of the event by which the final read begins.
fn final_index(events: &[Event]) -> usize {
    events
        .iter()
        .position(|event| event.e == What::Phase(Phase::Final))
        .unwrap()
}

/// Puts `f` on every number of an entry of a conversation.
fn renumber_all(events: &mut [Event], conversation: Conversation, f: impl Fn(u64) -> u64) {
    let ops: HashMap<Op, Conversation> = events
        .iter()
        .filter_map(|event| match event.e {
            What::Send { op, c, .. }
            | What::Edit { op, c, .. }
            | What::Delete { op, c, .. }
            | What::React { op, c, .. }
            | What::Member { op, c, .. } => Some((op, c)),
            _ => None,
        })
        .collect();
    for event in events {
        match &mut event.e {
            What::Done {
                op,
                outcome:
                    Outcome::Ok {
                        number: Some(number),
                        ..
                    },
            } if ops.get(op) == Some(&conversation) => *number = f(*number),
            What::Shown { c, entry, .. } | What::Wire { c, entry, .. } if *c == conversation => {
                entry.n = f(entry.n);
            }
            What::Page {
                c,
                entries,
                to,
                head,
                ..
            } if *c == conversation => {
                for entry in entries.iter_mut() {
                    entry.n = f(entry.n);
                }
                *to = f(*to);
                *head = f(*head);
            }
            What::Standing { c, head, .. } if *c == conversation => *head = f(*head),
            _ => {}
        }
    }
}

fn shown(e: &What) -> Option<(Device, Conversation, Entry)> {
    match e {
        What::Shown { d, c, entry } => Some((*d, *c, entry.clone())),
        _ => None,
    }
}

fn shown_message(e: &What) -> Option<(Device, Conversation, Entry)> {
    shown(e).filter(|(_, _, entry)| matches!(entry.is, Change::Message { body: Some(_), .. }))
}

fn lose_from_one(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let begin = final_index(events);
    let pages = places(events, |e| match e {
        What::Page { entries, .. } if !entries.is_empty() => Some(entries.len()),
        _ => None,
    });
    let pages: Vec<_> = pages.into_iter().filter(|(at, _)| *at > begin).collect();
    let Some((at, length)) = one(rng, &pages) else {
        return false;
    };
    if let What::Page { entries, .. } = &mut events[at].e {
        entries.remove(rng.random_range(0..length));
    }
    true
}

fn lose_from_all(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let begin = final_index(events);
    let c = any_conversation(events, rng);
    let all = entries(events, c);
    let messages: Vec<u64> = all
        .iter()
        .filter(|(_, entry)| matches!(entry.is, Change::Message { .. }))
        .map(|(n, _)| *n)
        .collect();
    let Some(&lost) = messages.choose(rng) else {
        return false;
    };
    for event in &mut events[begin..] {
        if let What::Page { c: of, entries, .. } = &mut event.e
            && *of == c
        {
            entries.retain(|entry| entry.n != lost);
        }
    }
    true
}

fn hole_in_page(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let begin = final_index(events);
    // A page of a device that read this part once.
    let pages = places(&events[..begin], |e| match e {
        What::Page { d, c, entries, .. } if entries.len() > 2 => {
            Some((*d, *c, entries[entries.len() / 2].n))
        }
        _ => None,
    });
    let once: Vec<_> = pages
        .iter()
        .filter(|(at, (d, c, n))| {
            !is_hidden(events, person_of(events, *d), *c, *n)
                && !events.iter().enumerate().any(|(other, event)| {
                    other != *at
                        && matches!(&event.e, What::Page { d: of, c: there, entries, .. }
                        if of == d && there == c && entries.iter().any(|entry| entry.n == *n))
                })
        })
        .copied()
        .collect();
    let Some((at, (_, _, n))) = one(rng, &once) else {
        return false;
    };
    if let What::Page { entries, .. } = &mut events[at].e {
        entries.retain(|entry| entry.n != n);
    }
    true
}

fn never_show(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let all: Vec<_> = places(events, shown)
        .into_iter()
        .filter(|(_, (d, c, entry))| {
            let u = person_of(events, *d);
            members(events, *c).contains(&u) && !is_hidden(events, u, *c, entry.n)
        })
        .collect();
    let Some((at, _)) = one(rng, &all) else {
        return false;
    };
    events.remove(at);
    true
}

fn lose_tail(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let c = any_conversation(events, rng);
    let Some(&u) = members(events, c).choose(rng) else {
        return false;
    };
    let device = device_of(events, u, DeviceKind::Session);
    let last = events.iter().rposition(
        |event| matches!(&event.e, What::Shown { d, c: of, .. } if *d == device && *of == c),
    );
    let Some(at) = last else { return false };
    if shown(&events[at].e).is_none_or(|(_, _, entry)| is_hidden(events, u, c, entry.n)) {
        return false;
    }
    events.remove(at);
    true
}

fn show_twice(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((at, (d, c, entry))) = one(rng, &places(events, shown)) else {
        return false;
    };
    // Soon after, or much later.
    let after = rng.random_range(at..events.len());
    insert_after(events, after, What::Shown { d, c, entry });
    true
}

fn store_twice(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((_, (d, c, entry))) = one(rng, &places(events, shown_message)) else {
        return false;
    };
    let n = last_number(events, c) + 1;
    let Change::Message { cmid, body, .. } = entry.is else {
        return false;
    };
    let (changed, reactions) = (0, Reactions::default());
    let mid = MessageId::from_uuid(new_uuid(rng));
    let end = events.len() - 1;
    let again = Entry {
        n,
        is: Change::Message {
            mid,
            cmid,
            body,
            changed,
            reactions,
        },
        ..entry
    };
    insert_after(events, end, What::Shown { d, c, entry: again });
    true
}

/// A message that was acknowledged: where, its op, its number.
fn acknowledged(events: &[Event]) -> Vec<(usize, (Op, u64))> {
    let sends: HashMap<Op, ()> = places(events, |e| match e {
        What::Send { op, .. } => Some(*op),
        _ => None,
    })
    .into_iter()
    .map(|(_, op)| (op, ()))
    .collect();
    places(events, |e| match e {
        What::Done {
            op,
            outcome: Outcome::Ok {
                number: Some(n), ..
            },
        } if sends.contains_key(op) => Some((*op, *n)),
        _ => None,
    })
}

fn send_of(events: &[Event], wanted: Op) -> (usize, What) {
    let at = events
        .iter()
        .position(|event| matches!(event.e, What::Send { op, .. } if op == wanted))
        .unwrap();
    (at, events[at].e.clone())
}

fn acknowledge_differently(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((at, (op, n))) = one(rng, &acknowledged(events)) else {
        return false;
    };
    let (_, mut again) = send_of(events, op);
    let new = Op(u32::MAX);
    if let What::Send { op, .. } = &mut again {
        *op = new;
    }
    insert_after(events, at, again);
    let outcome = Outcome::Ok {
        number: Some(n + 1),
        mid: None,
    };
    insert_after(events, at + 1, What::Done { op: new, outcome });
    true
}

fn other_message(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((at, _)) = one(rng, &places(events, shown_message)) else {
        return false;
    };
    let new = MessageId::from_uuid(new_uuid(rng));
    if let What::Shown { entry, .. } = &mut events[at].e
        && let Change::Message { mid, .. } = &mut entry.is
    {
        *mid = new;
    }
    true
}

fn other_author(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((at, _)) = one(rng, &places(events, shown_message)) else {
        return false;
    };
    if let What::Shown { entry, .. } = &mut events[at].e {
        entry.from = Person(entry.from.0 + 1);
    }
    true
}

fn renumber(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((at, (_, c, _))) = one(rng, &places(events, shown_message)) else {
        return false;
    };
    let n = last_number(events, c) + 1;
    if let What::Shown { entry, .. } = &mut events[at].e {
        entry.n = n;
    }
    true
}

fn swap_shown(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let all = places(events, shown);
    let Some((at, (d, c, _))) = one(rng, &all) else {
        return false;
    };
    let next = all
        .iter()
        .find(|(other, (device, talk, _))| *other > at && *device == d && *talk == c);
    let Some((other, _)) = next else { return false };
    let (first, second) = (events[at].e.clone(), events[*other].e.clone());
    events[at].e = second;
    events[*other].e = first;
    true
}

fn skip_number(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let c = any_conversation(events, rng);
    let from = rng.random_range(1..=last_number(events, c));
    renumber_all(events, c, |n| if n >= from { n + 1 } else { n });
    true
}

/// Two messages of a conversation by their sends: line, op, device, number, line of the acknowledgement.
fn sent_in(events: &[Event], c: Conversation) -> Vec<(usize, Device, u64, usize, Via)> {
    acknowledged(events)
        .into_iter()
        .filter_map(|(done, (op, n))| {
            let (at, What::Send { d, c: of, via, .. }) = send_of(events, op) else {
                return None;
            };
            (of == c).then_some((at, d, n, done, via))
        })
        .collect()
}

fn swap_acknowledged(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let c = any_conversation(events, rng);
    let sent = sent_in(events, c);
    let mut pairs = Vec::new();
    for (_, _, n, done, _) in &sent {
        for (at, _, later, _, via) in &sent {
            // Not one that is handed in again: it was there before.
            if at > done && *via == Via::Socket {
                pairs.push((*n, *later));
            }
        }
    }
    let Some(&(a, b)) = pairs.choose(rng) else {
        return false;
    };
    swap_numbers(events, c, a, b);
    true
}

fn swap_numbers(events: &mut [Event], c: Conversation, a: u64, b: u64) {
    // Heads and ends of pages stay what they are.
    let kept: Vec<(usize, What)> = places(events, |e| match e {
        What::Standing { .. } | What::Page { .. } => Some(e.clone()),
        _ => None,
    });
    renumber_all(events, c, |n| match n {
        n if n == a => b,
        n if n == b => a,
        n => n,
    });
    for (at, before) in kept {
        match (&mut events[at].e, before) {
            (What::Standing { head, .. }, What::Standing { head: was, .. }) => *head = was,
            (
                What::Page { to, head, .. },
                What::Page {
                    to: end, head: was, ..
                },
            ) => (*to, *head) = (end, was),
            _ => {}
        }
    }
}

fn overtake(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let c = any_conversation(events, rng);
    let sent = sent_in(events, c);
    let first_seen = |n: u64| {
        events.iter().position(|event| match &event.e {
            What::Shown { c: of, entry, .. } | What::Wire { c: of, entry, .. } => {
                *of == c && entry.n == n
            }
            What::Page { c: of, entries, .. } => {
                *of == c && entries.iter().any(|entry| entry.n == n)
            }
            _ => false,
        })
    };
    let mut pairs = Vec::new();
    for (at, d, n, done, via) in &sent {
        for (later, device, m, _, other) in &sent {
            // Handed in one after the other, and nothing was seen between.
            if d == device
                && n < m
                && later > at
                && later < done
                && [*via, *other] == [Via::Socket; 2]
                && first_seen(*n).is_none_or(|seen| seen > *later)
            {
                pairs.push((*n, *m));
            }
        }
    }
    let Some(&(a, b)) = pairs.choose(rng) else {
        return false;
    };
    swap_numbers(events, c, a, b);
    true
}

fn phantom(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((_, (d, c, entry))) = one(rng, &places(events, shown_message)) else {
        return false;
    };
    let n = last_number(events, c) + 1;
    let is = Change::Message {
        mid: MessageId::from_uuid(new_uuid(rng)),
        cmid: ClientMessageId::try_from(new_uuid(rng)).unwrap(),
        body: Some(Body(1)),
        changed: 0,
        reactions: Reactions::default(),
    };
    let end = events.len() - 1;
    let entry = Entry { n, is, ..entry };
    insert_after(events, end, What::Shown { d, c, entry });
    true
}

fn corrupt(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((at, _)) = one(rng, &places(events, shown_message)) else {
        return false;
    };
    if let What::Shown { entry, .. } = &mut events[at].e
        && let Change::Message {
            body: Some(body), ..
        } = &mut entry.is
    {
        body.0 ^= 1;
    }
    true
}

fn refuse_visible(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    // With one attempt only.
    let once: Vec<_> = acknowledged(events)
        .into_iter()
        .filter(|(_, (op, _))| {
            let (_, What::Send { cmid: wanted, .. }) = send_of(events, *op) else {
                return false;
            };
            1 == places(events, |e| match e {
                What::Send { cmid, .. } if *cmid == wanted => Some(()),
                _ => None,
            })
            .len()
        })
        .collect();
    let Some((at, (op, _))) = one(rng, &once) else {
        return false;
    };
    let code = "not_a_member".into();
    let outcome = Outcome::Refused { code };
    events[at].e = What::Done { op, outcome };
    true
}

fn forget_own(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let asks: HashMap<Op, usize> = places(events, |e| match e {
        What::Ask {
            op,
            page: Place::Newest,
            ..
        } => Some(*op),
        _ => None,
    })
    .into_iter()
    .map(|(at, op)| (op, at))
    .collect();
    // Messages and changes of them.
    let handed_in: HashMap<Op, (Device, Conversation)> = places(events, |e| match e {
        What::Send { op, d, c, .. }
        | What::Edit { op, d, c, .. }
        | What::Delete { op, d, c, .. }
        | What::React { op, d, c, .. } => Some((*op, (*d, *c))),
        _ => None,
    })
    .into_iter()
    .map(|(_, found)| found)
    .collect();
    let mut candidates = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let What::Page {
            op, d, c, entries, ..
        } = &event.e
        else {
            continue;
        };
        let Some(asked) = asks.get(op) else { continue };
        let u = person_of(events, *d);
        // The highest that this person had acknowledged by then.
        let own = events[..*asked]
            .iter()
            .filter_map(|event| match &event.e {
                What::Done {
                    op,
                    outcome: Outcome::Ok { number, .. },
                } => {
                    let (by, of) = handed_in.get(op)?;
                    number.filter(|_| of == c && person_of(events, *by) == u)
                }
                _ => None,
            })
            .max();
        if let Some(own) = own
            && entries.iter().any(|entry| entry.n == own)
        {
            candidates.push((at, own));
        }
    }
    let Some((at, own)) = one(rng, &candidates) else {
        return false;
    };
    if let What::Page { entries, .. } = &mut events[at].e {
        entries.retain(|entry| entry.n != own);
    }
    true
}

/// Pairs of standings of one device, conversation and source.
fn standings(events: &[Event]) -> Vec<(usize, usize)> {
    let all = places(events, |e| match e {
        What::Standing { d, c, source, .. } => Some((*d, *c, *source)),
        _ => None,
    });
    let mut pairs = Vec::new();
    for (at, key) in &all {
        if let Some((next, _)) = all.iter().find(|(other, of)| other > at && of == key) {
            pairs.push((*at, *next));
        }
    }
    pairs
}

fn head_back(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((at, next)) = standings(events).choose(rng).copied() else {
        return false;
    };
    let What::Standing { head: first, .. } = events[at].e else {
        return false;
    };
    if let What::Standing { head, .. } = &mut events[next].e {
        *head = first - 1;
    }
    true
}

fn page_head_back(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let pages = places(events, |e| match e {
        What::Page { d, c, head, .. } if *head > 1 => Some((*d, *c, *head)),
        _ => None,
    });
    let pairs: Vec<_> = pages
        .iter()
        .filter_map(|(at, (d, c, head))| {
            let next = pages
                .iter()
                .find(|(other, (device, of, _))| other > at && device == d && of == c)?;
            Some((next.0, *head))
        })
        .collect();
    let Some((at, first)) = one(rng, &pairs) else {
        return false;
    };
    if let What::Page { head, .. } = &mut events[at].e {
        *head = first - 1;
    }
    true
}

fn long_page(events: &[Event], rng: &mut SmallRng) -> Option<usize> {
    let pages = places(events, |e| match e {
        What::Page { entries, .. } if entries.len() > 1 => Some(()),
        _ => None,
    });
    one(rng, &pages).map(|(at, ())| at)
}

fn shuffle_page(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some(at) = long_page(events, rng) else {
        return false;
    };
    if let What::Page { entries, .. } = &mut events[at].e {
        entries.reverse();
    }
    true
}

fn double_in_page(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some(at) = long_page(events, rng) else {
        return false;
    };
    if let What::Page { entries, .. } = &mut events[at].e {
        entries.insert(0, entries[0].clone());
    }
    true
}

fn mark_back(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let pairs: Vec<_> = standings(events)
        .into_iter()
        .filter(|(at, _)| matches!(events[*at].e, What::Standing { read: 1.., .. }))
        .collect();
    let Some((at, next)) = one(rng, &pairs) else {
        return false;
    };
    let What::Standing { read: first, .. } = events[at].e else {
        return false;
    };
    if let What::Standing { read, .. } = &mut events[next].e {
        *read = first - 1;
    }
    true
}

/// Final standings of members by REST.
fn final_standings(events: &[Event]) -> Vec<(usize, u64)> {
    places(events, |e| match e {
        What::Standing {
            d,
            c,
            source: Source::Rest,
            read,
            ..
        } if members(events, *c).contains(&person_of(events, *d)) => Some(*read),
        _ => None,
    })
}

fn forget_mark(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let set: Vec<_> = final_standings(events)
        .into_iter()
        .filter(|(_, read)| *read > 0)
        .collect();
    let Some((at, _)) = one(rng, &set) else {
        return false;
    };
    if let What::Standing { read, .. } = &mut events[at].e {
        *read = 0;
    }
    true
}

fn invent_mark(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let marks = places(events, |e| match e {
        What::MarkRead { d, c, n, .. } => Some((*c, person_of(events, *d), *n)),
        _ => None,
    });
    let candidates: Vec<_> = final_standings(events)
        .into_iter()
        .filter(|(at, read)| {
            let What::Standing { d, c, head, .. } = events[*at].e else {
                return false;
            };
            let u = person_of(events, d);
            read < &head && !marks.iter().any(|(_, mark)| *mark == (c, u, read + 1))
        })
        .collect();
    let Some((at, _)) = one(rng, &candidates) else {
        return false;
    };
    if let What::Standing { read, .. } = &mut events[at].e {
        *read += 1;
    }
    true
}

fn miscount(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let all = places(events, |e| matches!(e, What::Standing { .. }).then_some(()));
    let Some((at, ())) = one(rng, &all) else {
        return false;
    };
    if let What::Standing { unread, .. } = &mut events[at].e {
        *unread = if *unread > 0 && rng.random() {
            *unread - 1
        } else {
            *unread + 1
        };
    }
    true
}

fn count_own(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let with_own: Vec<_> = places(events, |e| match e {
        What::Standing {
            d, c, head, read, ..
        } => {
            let u = person_of(events, *d);
            let own = entries(events, *c)
                .iter()
                .filter(|(n, entry)| {
                    n > read
                        && n <= head
                        && entry.from == u
                        && matches!(entry.is, Change::Message { .. })
                })
                .count() as u64;
            (own > 0).then_some(own)
        }
        _ => None,
    });
    let Some((at, own)) = one(rng, &with_own) else {
        return false;
    };
    if let What::Standing { unread, .. } = &mut events[at].e {
        *unread += own;
    }
    true
}

fn stale_badge(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    // The last standing of a session is dropped, so that an older one is its last word.
    let begin = final_index(events);
    let last: Vec<_> = standings(events)
        .into_iter()
        .filter(|(at, next)| {
            let (
                What::Standing {
                    head,
                    read,
                    unread,
                    d,
                    c,
                    ..
                },
                What::Standing {
                    head: h,
                    read: r,
                    unread: u,
                    ..
                },
            ) = (&events[*at].e, &events[*next].e)
            else {
                return false;
            };
            *next < begin
                && (head, read, unread) != (h, r, u)
                && members(events, *c).contains(&person_of(events, *d))
                && !standings(events).iter().any(|(before, _)| before == next)
        })
        .collect();
    let Some((_, next)) = one(rng, &last) else {
        return false;
    };
    events.remove(next);
    true
}

fn count_deleted(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let with_deleted: Vec<_> = places(events, |e| match e {
        What::Standing {
            d, c, head, read, ..
        } if *read > 0 => {
            let u = person_of(events, *d);
            let all = entries(events, *c);
            let deleted = all
                .iter()
                .filter(|(n, entry)| match entry.is {
                    Change::Deleted { target, .. } => {
                        n <= head
                            && target > *read
                            && all.iter().any(|(n, entry)| *n == target && entry.from != u)
                    }
                    _ => false,
                })
                .count() as u64;
            (deleted > 0).then_some(deleted)
        }
        _ => None,
    });
    let Some((at, deleted)) = one(rng, &with_deleted) else {
        return false;
    };
    if let What::Standing { unread, .. } = &mut events[at].e {
        *unread += deleted;
    }
    true
}

fn invent_delivery(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let c = any_conversation(events, rng);
    let member = members(events, c);
    let [reader, from] = [member.choose(rng), member.choose(rng)];
    let (Some(&reader), Some(&from)) = (reader, from) else {
        return false;
    };
    // Before any device has shown anything.
    let at = events
        .iter()
        .position(|event| matches!(event.e, What::Phase(Phase::WarmUp)))
        .unwrap();
    let d = device_of(events, reader, DeviceKind::Session);
    let receipt = What::Receipt {
        d,
        c,
        from,
        kind: ReceiptKind::Delivered,
        n: 1,
    };
    insert_after(events, at, receipt);
    true
}

fn shown_change(e: &What) -> Option<(Device, Conversation, Entry)> {
    shown(e).filter(|(_, _, entry)| {
        matches!(
            entry.is,
            Change::Edited { body: Some(_), .. } | Change::Deleted { .. } | Change::Reacted { .. }
        )
    })
}

fn phantom_change(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((_, (d, c, mut entry))) = one(rng, &places(events, shown_change)) else {
        return false;
    };
    entry.n = last_number(events, c) + 1;
    let new = ClientMessageId::try_from(new_uuid(rng)).unwrap();
    if let Change::Edited { cmid, .. }
    | Change::Deleted { cmid, .. }
    | Change::Reacted { cmid, .. } = &mut entry.is
    {
        *cmid = new;
    }
    let end = events.len() - 1;
    insert_after(events, end, What::Shown { d, c, entry });
    true
}

fn change_twice(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((_, (d, c, mut entry))) = one(rng, &places(events, shown_change)) else {
        return false;
    };
    entry.n = last_number(events, c) + 1;
    let end = events.len() - 1;
    insert_after(events, end, What::Shown { d, c, entry });
    true
}

fn corrupt_edit(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let edits = places(events, |e| match e {
        What::Shown { c, entry, .. } => match entry.is {
            Change::Edited { body: Some(_), .. } => Some((*c, entry.n)),
            _ => None,
        },
        _ => None,
    });
    let Some((_, (c, n))) = one(rng, &edits) else {
        return false;
    };
    // Wherever it is seen, so that it is one thing for everybody.
    let corrupt = |entry: &mut Entry| {
        if let Change::Edited {
            body: Some(body), ..
        } = &mut entry.is
            && entry.n == n
        {
            body.0 ^= 1;
        }
    };
    for event in events {
        match &mut event.e {
            What::Shown { c: of, entry, .. } | What::Wire { c: of, entry, .. } if *of == c => {
                corrupt(entry);
            }
            What::Page { c: of, entries, .. } if *of == c => entries.iter_mut().for_each(corrupt),
            _ => {}
        }
    }
    true
}

fn never_answer_change(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let changes = places(events, |e| match e {
        What::Edit { op, .. } | What::Delete { op, .. } | What::React { op, .. } => Some(*op),
        _ => None,
    });
    let Some((_, wanted)) = one(rng, &changes) else {
        return false;
    };
    events.retain(|event| !matches!(event.e, What::Done { op, .. } if op == wanted));
    true
}

fn receipts(events: &[Event]) -> Vec<(usize, u64)> {
    places(events, |e| match e {
        What::Receipt { n, .. } => Some(*n),
        _ => None,
    })
}

fn invent_receipt(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let c = any_conversation(events, rng);
    let member = members(events, c);
    let [reader, from] = [member.choose(rng), member.choose(rng)];
    let (Some(&reader), Some(&from)) = (reader, from) else {
        return false;
    };
    // Before anybody marked anything.
    let at = events
        .iter()
        .position(|event| matches!(event.e, What::Phase(Phase::WarmUp)))
        .unwrap();
    let d = device_of(events, reader, DeviceKind::Session);
    let receipt = What::Receipt {
        d,
        c,
        from,
        kind: ReceiptKind::Read,
        n: 1,
    };
    insert_after(events, at, receipt);
    true
}

fn receipt_beyond(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let c = any_conversation(events, rng);
    let n = last_number(events, c) + 1;
    let end = events.len() - 1;
    let receipt = What::Receipt {
        d: Device(0),
        c,
        from: Person(1),
        kind: ReceiptKind::Delivered,
        n,
    };
    insert_after(events, end, receipt);
    true
}

fn receipt_back(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((at, n)) = one(rng, &receipts(events)) else {
        return false;
    };
    let mut lower = events[at].e.clone();
    if let What::Receipt { n: to, .. } = &mut lower {
        *to = n - 1;
    }
    insert_after(events, at, lower);
    true
}

fn leak_to_who_left(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let mut candidates = Vec::new();
    for c in conversations(events) {
        let all = entries(events, c);
        let present = members(events, c);
        for (left, entry) in &all {
            if let Change::Left { who } = entry.is
                && !present.contains(&who)
            {
                let last = all
                    .iter()
                    .filter(|(_, entry)| matches!(entry.is, Change::Left { who: w } if w == who))
                    .map(|(n, _)| *n)
                    .max();
                if last == Some(*left)
                    && let Some((_, leaked)) = all.iter().find(|(n, _)| n > left)
                {
                    candidates.push((c, who, leaked.clone()));
                }
            }
        }
    }
    let Some((c, who, entry)) = candidates.choose(rng).cloned() else {
        return false;
    };
    let d = device_of(events, who, DeviceKind::Wire);
    let end = events.len() - 1;
    insert_after(events, end, What::Wire { d, k: 1, c, entry });
    true
}

fn leak_to_stranger(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((at, (_, c, entry))) = one(rng, &places(events, shown_message)) else {
        return false;
    };
    let stranger = (0..5).map(Person).find(|u| {
        !was_ever_in(events, c, *u)
            && events
                .iter()
                .any(|event| matches!(event.e, What::Person { u: of, .. } if of == *u))
    });
    let Some(stranger) = stranger else {
        return false;
    };
    let d = device_of(events, stranger, DeviceKind::Session);
    insert_after(events, at, What::Shown { d, c, entry });
    true
}

fn write_removed(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let mut candidates = Vec::new();
    for c in conversations(events) {
        let present = members(events, c);
        for (_, entry) in entries(events, c) {
            if let Change::Left { who } = entry.is
                && !present.contains(&who)
                && let Some(&reader) = present.first()
            {
                candidates.push((c, who, reader));
            }
        }
    }
    let Some(&(c, who, reader)) = candidates.choose(rng) else {
        return false;
    };
    let (d, cmid, body) = (
        device_of(events, who, DeviceKind::Session),
        ClientMessageId::try_from(new_uuid(rng)).unwrap(),
        Body(5),
    );
    let n = last_number(events, c) + 1;
    let op = Op(u32::MAX);
    let end = events.len() - 1;
    let is = Change::Message {
        mid: MessageId::from_uuid(new_uuid(rng)),
        cmid,
        body: Some(body),
        changed: 0,
        reactions: Reactions::default(),
    };
    let send = What::Send {
        op,
        d,
        c,
        cmid,
        body,
        via: Via::Socket,
        files: vec![],
    };
    insert_after(events, end, send);
    let d = device_of(events, reader, DeviceKind::Session);
    let entry = Entry { n, from: who, is };
    insert_after(events, end + 1, What::Shown { d, c, entry });
    true
}

fn before_removal(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    // A removal that was acknowledged, and a message that was handed in after it.
    let removals = places(events, |e| match e {
        What::Member {
            op,
            c,
            change: Membership::Remove,
            ..
        } => Some((*op, *c)),
        _ => None,
    });
    let mut candidates = Vec::new();
    for (_, (op, c)) in removals {
        let done = events
            .iter()
            .enumerate()
            .find_map(|(at, event)| match event.e {
                What::Done {
                    op: of,
                    outcome:
                        Outcome::Ok {
                            number: Some(n), ..
                        },
                } if of == op => Some((at, n)),
                _ => None,
            });
        let Some((done, left)) = done else { continue };
        // Not beyond their return: which leave belongs to which coming couldn't be told.
        let entries = entries(events, c);
        let is_return = |entry: &Entry| match entry.is {
            Change::Joined { who } => entries
                .iter()
                .any(|(n, of)| *n == left && of.is == Change::Left { who }),
            _ => false,
        };
        let returned = entries
            .iter()
            .find(|(n, entry)| *n > left && is_return(entry))
            .map_or(u64::MAX, |(n, _)| *n);
        for (at, _, n, _, via) in sent_in(events, c) {
            if at > done && n < returned && via == Via::Socket {
                candidates.push((c, left, n));
            }
        }
    }
    let Some(&(c, left, n)) = candidates.choose(rng) else {
        return false;
    };
    swap_numbers(events, c, left, n);
    true
}

/// Messages that were changed: number, whether the last change is a deletion.
fn changed(events: &[Event], c: Conversation) -> HashMap<u64, bool> {
    let mut changed = HashMap::new();
    for (_, entry) in entries(events, c) {
        match entry.is {
            Change::Edited { target, .. } => {
                changed.insert(target, false);
            }
            Change::Deleted { target, .. } => {
                changed.insert(target, true);
            }
            _ => {}
        }
    }
    changed
}

fn set_final_body(
    events: &mut [Event],
    rng: &mut SmallRng,
    deleted: bool,
    new: impl Fn(&[Event], Conversation, u64) -> Option<Body>,
) -> bool {
    let begin = final_index(events);
    let mut candidates = Vec::new();
    for c in conversations(events) {
        for (target, is_deleted) in changed(events, c) {
            if is_deleted != deleted {
                continue;
            }
            let new = new(events, c, target);
            for (at, event) in events.iter().enumerate().skip(begin) {
                if let What::Page { c: of, entries, .. } = &event.e
                    && *of == c
                    // Who left before the change has the old content anyway.
                    && entries.iter().any(|entry| {
                        entry.n == target
                            && matches!(entry.is, Change::Message { body, .. } if body != new)
                    })
                {
                    candidates.push((at, (c, target)));
                }
            }
        }
    }
    candidates.sort_unstable();
    let Some((at, (c, target))) = one(rng, &candidates) else {
        return false;
    };
    let new = new(events, c, target);
    if let What::Page { entries, .. } = &mut events[at].e {
        for entry in entries.iter_mut().filter(|entry| entry.n == target) {
            if let Change::Message { body, .. } = &mut entry.is {
                *body = new;
            }
        }
    }
    true
}

/// The content with which a message was sent.
fn first_body(events: &[Event], c: Conversation, target: u64) -> Option<Body> {
    let all = entries(events, c);
    let (_, entry) = all.iter().find(|(n, _)| *n == target)?;
    let Change::Message { cmid: wanted, .. } = entry.is else {
        return None;
    };
    events.iter().find_map(|event| match event.e {
        What::Send { cmid, body, .. } if cmid == wanted => Some(body),
        _ => None,
    })
}

fn forget_edit(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    set_final_body(events, rng, false, first_body)
}

fn resurrect(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    set_final_body(events, rng, true, first_body)
}

fn resurrect_for_a_moment(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let deletes = places(events, |e| match e {
        What::Delete {
            op, d, c, target, ..
        } => Some((*op, *d, *c, *target)),
        _ => None,
    });
    // Two may want it, and the second one is refused.
    let deletes: Vec<_> = deletes
        .into_iter()
        .filter(|(_, (op, ..))| {
            events.iter().any(|event| {
                matches!(&event.e, What::Done { op: of, outcome: Outcome::Ok { .. } } if of == op)
            })
        })
        .collect();
    let Some((_, (op, d, c, target))) = one(rng, &deletes) else {
        return false;
    };
    let done = events
        .iter()
        .position(|event| matches!(event.e, What::Done { op: of, .. } if of == op))
        .unwrap();
    let all = entries(events, c);
    let Some((_, mut entry)) = all.into_iter().find(|(n, _)| *n == target) else {
        return false;
    };
    if let Change::Message { body, .. } = &mut entry.is {
        *body = first_body(events, c, target);
    }
    let op = Op(u32::MAX);
    let page = Place::After(target - 1);
    insert_after(events, done, What::Ask { op, d, c, page });
    let page = What::Page {
        op,
        d,
        c,
        from: target,
        to: target,
        head: target,
        entries: vec![entry],
    };
    insert_after(events, done + 1, page);
    true
}

fn downloads(events: &[Event]) -> Vec<(usize, bool)> {
    places(events, |e| match e {
        What::Downloaded { body, .. } => Some(body.is_some()),
        _ => None,
    })
}

fn damage_file(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let got: Vec<_> = downloads(events)
        .into_iter()
        .filter(|(_, got)| *got)
        .collect();
    let Some((at, _)) = one(rng, &got) else {
        return false;
    };
    if let What::Downloaded {
        body: Some(body), ..
    } = &mut events[at].e
    {
        body.0 ^= 1;
    }
    true
}

fn refuse_file(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    // To somebody who was in from the beginning, and stayed.
    let got: Vec<_> = downloads(events)
        .into_iter()
        .filter(|(at, got)| {
            let What::Downloaded { d, c, .. } = events[*at].e else {
                return false;
            };
            let u = person_of(events, d);
            let all = entries(events, c);
            let seen = places(&events[..*at], shown)
                .iter()
                .any(|(_, (_, of, entry))| *of == c && entry.n == 1);
            *got && seen
                && matches!(&all[0].1.is, Change::Created { members } if members.contains(&u))
                && !all
                    .iter()
                    .any(|(_, entry)| entry.is == Change::Left { who: u })
        })
        .collect();
    let Some((at, _)) = one(rng, &got) else {
        return false;
    };
    if let What::Downloaded { body, .. } = &mut events[at].e {
        *body = None;
    }
    true
}

fn leak_file(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let files = places(events, |e| match e {
        What::Uploaded { c, file, body, .. } => Some((*c, *file, *body)),
        _ => None,
    });
    let Some((at, (c, file, body))) = one(rng, &files) else {
        return false;
    };
    let stranger = (0..3).map(Person).find(|u| !was_ever_in(events, c, *u));
    let Some(stranger) = stranger else {
        return false;
    };
    let d = device_of(events, stranger, DeviceKind::Session);
    let body = Some(body);
    insert_after(events, at, What::Downloaded { d, c, file, body });
    true
}

fn reuse_message_id(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let all = conversations(events);
    let ids = |c| -> Vec<MessageId> {
        entries(events, c)
            .into_iter()
            .filter_map(|(_, entry)| match entry.is {
                Change::Message { mid, .. } => Some(mid),
                _ => None,
            })
            .collect()
    };
    let (first, second) = (ids(all[0]), ids(all[1]));
    let (Some(&one), Some(&other)) = (first.choose(rng), second.choose(rng)) else {
        return false;
    };
    let rename = |entry: &mut Entry| {
        if let Change::Message { mid, .. } = &mut entry.is
            && *mid == other
        {
            *mid = one;
        }
    };
    for event in events {
        match &mut event.e {
            What::Shown { entry, .. } | What::Wire { entry, .. } => rename(entry),
            What::Page { entries, .. } => entries.iter_mut().for_each(rename),
            _ => {}
        }
    }
    true
}

fn reuse_file_id(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let uploads = places(events, |e| {
        matches!(e, What::Uploaded { .. }).then(|| e.clone())
    });
    let Some((at, again)) = one(rng, &uploads) else {
        return false;
    };
    insert_after(events, at, again);
    true
}

fn never_answer(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((_, (op, _))) = one(rng, &acknowledged(events)) else {
        return false;
    };
    let (_, What::Send { cmid: wanted, .. }) = send_of(events, op) else {
        return false;
    };
    let ops: Vec<Op> = places(events, |e| match e {
        What::Send { op, cmid, .. } if *cmid == wanted => Some(*op),
        _ => None,
    })
    .into_iter()
    .map(|(_, op)| op)
    .collect();
    events.retain(|event| !matches!(event.e, What::Done { op, .. } if ops.contains(&op)));
    true
}

fn answer_late(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let heal = events
        .iter()
        .position(|event| event.e == What::Phase(Phase::Heal))
        .unwrap();
    let late: Vec<_> = acknowledged(events)
        .into_iter()
        .filter(|(_, (op, _))| {
            let (at, send) = send_of(events, *op);
            at > heal
                && matches!(
                    send,
                    What::Send {
                        via: Via::Socket,
                        ..
                    }
                )
        })
        .collect();
    let Some((at, _)) = one(rng, &late) else {
        return false;
    };
    for event in &mut events[at..] {
        event.t += 60_000_000_000;
    }
    true
}

/// Messages with reactions on the final pages: where, and which.
fn final_reactions(events: &[Event]) -> Vec<(usize, u64)> {
    let begin = final_index(events);
    let pages = events.iter().enumerate().skip(begin);
    pages
        .flat_map(|(at, event)| {
            let entries: &[Entry] = match &event.e {
                What::Page { entries, .. } => entries,
                _ => &[],
            };
            let reacted = entries.iter().filter(|entry| {
                matches!(&entry.is, Change::Message { reactions, .. } if !reactions.is_empty())
            });
            reacted.map(move |entry| (at, entry.n)).collect::<Vec<_>>()
        })
        .collect()
}

fn change_reactions(
    events: &mut [Event],
    at: usize,
    n: u64,
    change: impl Fn(&mut Reactions),
) -> bool {
    let What::Page { entries, .. } = &mut events[at].e else {
        return false;
    };
    let entry = entries.iter_mut().find(|entry| entry.n == n);
    let Some(Change::Message { reactions, .. }) = entry.map(|entry| &mut entry.is) else {
        return false;
    };
    change(reactions);
    true
}

fn forget_reaction(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((at, n)) = one(rng, &final_reactions(events)) else {
        return false;
    };
    change_reactions(events, at, n, |reactions| {
        reactions.0.pop();
    })
}

fn invent_reaction(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let begin = final_index(events);
    let messages: Vec<(usize, u64)> = places(events, |e| match e {
        What::Page { entries, .. } => entries
            .iter()
            .find(|entry| matches!(entry.is, Change::Message { body: Some(_), .. }))
            .map(|entry| entry.n),
        _ => None,
    })
    .into_iter()
    .filter(|(at, _)| *at > begin)
    .collect();
    let Some((at, n)) = one(rng, &messages) else {
        return false;
    };
    change_reactions(events, at, n, |reactions| {
        reactions.take_in(Person(0), &Reaction::Added("🤷".to_owned()));
    })
}

/// A device that takes a reaction for one that is in the message already.
fn miss_reaction(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let reacted: Vec<(Person, Conversation, u64)> = final_reactions(events)
        .into_iter()
        .filter_map(|(at, n)| match events[at].e {
            What::Page { d, c, .. } => Some((person_of(events, d), c, n)),
            _ => None,
        })
        .collect();
    let shown: Vec<_> = places(events, shown)
        .into_iter()
        .filter(|(_, (d, c, entry))| {
            let u = person_of(events, *d);
            reacted.contains(&(u, *c, entry.n))
                && members(events, *c).contains(&u)
                && matches!(&entry.is, Change::Message { reactions, .. } if reactions.is_empty())
        })
        .collect();
    let Some((at, (_, c, _))) = one(rng, &shown) else {
        return false;
    };
    let last = last_number(events, c);
    if let What::Shown { entry, .. } = &mut events[at].e
        && let Change::Message { changed, .. } = &mut entry.is
    {
        *changed = last;
    }
    true
}

fn corrupt_reaction(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let reactions = places(events, |e| match e {
        What::Shown { c, entry, .. } if matches!(entry.is, Change::Reacted { .. }) => {
            Some((*c, entry.n))
        }
        _ => None,
    });
    let Some((_, (c, n))) = one(rng, &reactions) else {
        return false;
    };
    // Wherever it is seen, so that it is one thing for everybody.
    let corrupt = |entry: &mut Entry| {
        if let Change::Reacted { reaction, .. } = &mut entry.is
            && entry.n == n
        {
            *reaction = Reaction::Added("🤷".to_owned());
        }
    };
    for event in events {
        match &mut event.e {
            What::Shown { c: of, entry, .. } | What::Wire { c: of, entry, .. } if *of == c => {
                corrupt(entry);
            }
            What::Page { c: of, entries, .. } if *of == c => entries.iter_mut().for_each(corrupt),
            _ => {}
        }
    }
    true
}

fn told_hidden(e: &What) -> Option<(Device, Conversation, u64)> {
    match e {
        What::Hidden { d, c, target, .. } => Some((*d, *c, *target)),
        _ => None,
    }
}

fn show_hidden(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let begin = final_index(events);
    let hidden: Vec<(Person, Conversation, u64)> = places(events, told_hidden)
        .into_iter()
        .map(|(_, (d, c, target))| (person_of(events, d), c, target))
        .collect();
    // A final page of who has hidden it, that covers it.
    let pages: Vec<_> = places(events, |e| match e {
        What::Page { d, c, from, to, .. } => {
            let u = person_of(events, *d);
            hidden
                .iter()
                .find(|(of, there, n)| (*of, *there) == (u, *c) && (from..=to).contains(&n))
                .map(|(_, _, n)| (*c, *n))
        }
        _ => None,
    })
    .into_iter()
    .filter(|(at, _)| *at > begin)
    .collect();
    let Some((at, (c, n))) = one(rng, &pages) else {
        return false;
    };
    let Some((_, entry)) = entries(events, c).into_iter().find(|(of, _)| *of == n) else {
        return false;
    };
    if let What::Page { entries, .. } = &mut events[at].e {
        let place = entries.partition_point(|other| other.n < n);
        entries.insert(place, entry);
    }
    true
}

fn invent_hidden(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((at, (d, c, entry))) = one(rng, &places(events, shown_message)) else {
        return false;
    };
    let u = person_of(events, d);
    if is_hidden(events, u, c, entry.n) {
        return false;
    }
    let (target, count) = (entry.n, 1_000);
    insert_after(
        events,
        at,
        What::Hidden {
            d,
            c,
            target,
            count,
        },
    );
    true
}

/// What a device of a member was told, where another one was told, too.
fn told_to_members(events: &[Event]) -> Vec<(usize, (Device, Conversation, u64))> {
    let all = places(events, told_hidden);
    let told = all.iter().filter(|(at, (d, c, target))| {
        members(events, *c).contains(&person_of(events, *d))
            && all.iter().any(|(other, (device, there, n))| {
                other != at
                    && device != d
                    && (there, n) == (c, target)
                    && person_of(events, *device) == person_of(events, *d)
            })
    });
    told.copied().collect()
}

fn never_tell_hidden(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((at, _)) = one(rng, &told_to_members(events)) else {
        return false;
    };
    events.remove(at);
    true
}

fn reorder_hidden(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let Some((at, _)) = one(rng, &told_to_members(events)) else {
        return false;
    };
    if let What::Hidden { target, .. } = &mut events[at].e {
        *target += 1;
    }
    true
}

fn forget_to_hide(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let steady: Vec<_> = places(events, told_hidden)
        .into_iter()
        .filter(|(_, (d, c, _))| {
            let u = person_of(events, *d);
            let all = entries(events, *c);
            matches!(&all[0].1.is, Change::Created { members } if members.contains(&u))
                && !all
                    .iter()
                    .any(|(_, entry)| matches!(entry.is, Change::Left { who } if who == u))
        })
        .collect();
    let Some((_, (d, c, target))) = one(rng, &steady) else {
        return false;
    };
    let u = person_of(events, d);
    let of_person: Vec<Device> = places(events, |e| match e {
        What::Device { d, u: of, .. } if *of == u => Some(*d),
        _ => None,
    })
    .into_iter()
    .map(|(_, d)| d)
    .collect();
    events.retain(|event| {
        !matches!(event.e, What::Hidden { d, c: of, target: n, .. }
            if of == c && n == target && of_person.contains(&d))
    });
    true
}

fn count_hidden(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let with_hidden: Vec<_> = places(events, |e| match e {
        What::Standing { hidden, .. } if *hidden > 0 => Some(()),
        _ => None,
    });
    let Some((at, ())) = one(rng, &with_hidden) else {
        return false;
    };
    if let What::Standing { unread, hidden, .. } = &mut events[at].e {
        *unread += *hidden;
    }
    true
}

fn invent_mark_unread(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let all = places(events, |e| match e {
        What::Standing { d, c, .. } => Some((*d, *c)),
        _ => None,
    });
    let before: Vec<_> = all
        .into_iter()
        .filter(|(at, (d, c))| {
            let u = person_of(events, *d);
            !events[..*at].iter().any(|event| {
                matches!(event.e, What::MarkUnread { d, c: of } if of == *c
                    && person_of(events, d) == u)
            })
        })
        .collect();
    let Some((at, _)) = one(rng, &before) else {
        return false;
    };
    if let What::Standing { marked, .. } = &mut events[at].e {
        *marked = true;
    }
    true
}

fn look_different(events: &mut Vec<Event>, rng: &mut SmallRng) -> bool {
    let begin = final_index(events);
    let last: Vec<_> = places(events, |e| match e {
        What::Standing { d, c, marked, .. } => members(events, *c)
            .contains(&person_of(events, *d))
            .then_some(*marked),
        _ => None,
    })
    .into_iter()
    .filter(|(at, _)| *at > begin)
    .collect();
    let Some((at, was)) = one(rng, &last) else {
        return false;
    };
    if let What::Standing { marked, .. } = &mut events[at].e {
        *marked = !was;
    }
    true
}
