//! Who does what when, from the seed alone.

use std::time::Duration;

use client::MessageChange;
use rand::RngExt as _;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;

use super::Options;
use crate::history::Place;

/// Who there is.
pub struct Shape {
    /// Devices of each person.
    pub devices: Vec<usize>,
    /// By conversation.
    pub members: Vec<Vec<usize>>,
    /// Whether it is one of which people come and go.
    pub groups: Vec<bool>,
}

/// Something that is done, a while after the one before.
#[derive(Debug, Clone)]
pub struct Step {
    pub after: Duration,
    pub action: Action,
}

/// What people do. `by` is a person and one of their devices.
#[derive(Debug, Clone)]
pub enum Action {
    Send {
        by: (usize, usize),
        talk: usize,
        text: String,
        /// Also by who is not a member, to be refused.
        regardless: bool,
    },
    SendByRest {
        by: (usize, usize),
        talk: usize,
        text: String,
    },
    /// One of the latest messages that the device shows.
    Change {
        by: (usize, usize),
        talk: usize,
        pick: usize,
        change: MessageChange,
    },
    /// One of the latest messages that the device shows, from the person alone.
    Hide {
        by: (usize, usize),
        talk: usize,
        pick: usize,
    },
    MarkUnread {
        by: (usize, usize),
        talk: usize,
    },
    /// The last message of the device once more, with the same id.
    SendAgain {
        by: (usize, usize),
    },
    MarkRead {
        by: (usize, usize),
        talk: usize,
    },
    MarkReadByRest {
        by: (usize, usize),
        talk: usize,
    },
    Standing {
        by: (usize, usize),
        talk: usize,
    },
    /// With thousandths of what there is instead of numbers.
    Page {
        by: (usize, usize),
        talk: usize,
        place: Place,
    },
    Member {
        who: usize,
        talk: usize,
    },
}

/// A few minutes of talk; who needs more begins again.
pub fn talk(rng: &mut SmallRng, options: &Options, shape: &Shape) -> Vec<Step> {
    // Of all that is done nine in ten are messages and changes of them.
    let mean = 0.9 / f64::from(options.rate);
    let count = options.rate as usize * 180;
    (0..count)
        .map(|n| {
            // A Poisson process: pauses and bursts.
            let pause = -mean * (1.0 - rng.random::<f64>()).ln();
            Step {
                after: Duration::from_secs_f64(pause),
                action: action(rng, shape, n),
            }
        })
        .collect()
}

fn action(rng: &mut SmallRng, shape: &Shape, n: usize) -> Action {
    let talk = rng.random_range(0..shape.members.len());
    let person = *shape.members[talk].choose(rng).unwrap_or(&0);
    let by = (person, rng.random_range(0..shape.devices[person]));
    let text = format!("{n} {}", "x".repeat(rng.random_range(0..300)));
    match rng.random_range(0..1_000) {
        0..70 => {
            let emoji = if rng.random_bool(0.7) { "👍" } else { "🎉" }.to_owned();
            let change = match rng.random_range(0..12) {
                0..4 => MessageChange::Edit(format!("{text} edited")),
                4..6 => MessageChange::Delete,
                6..10 => MessageChange::AddReaction(emoji),
                _ => MessageChange::RemoveReaction(emoji),
            };
            Action::Change {
                by,
                talk,
                pick: rng.random_range(0..1_000),
                change,
            }
        }
        70..820 => Action::Send {
            by,
            talk,
            text,
            regardless: rng.random_bool(0.05),
        },
        820..830 => Action::Hide {
            by,
            talk,
            pick: rng.random_range(0..1_000),
        },
        830..840 => Action::MarkUnread { by, talk },
        840..870 => Action::SendByRest { by, talk, text },
        870..885 => Action::SendAgain { by },
        885..950 => Action::MarkRead { by, talk },
        950..960 => Action::MarkReadByRest { by, talk },
        960..970 => Action::Standing { by, talk },
        970..990 => {
            let place = match rng.random_range(0..3) {
                0 => Place::Newest,
                1 => Place::After(rng.random_range(0..1_000)),
                _ => Place::Before(rng.random_range(0..1_000)),
            };
            Action::Page { by, talk, place }
        }
        _ if shape.groups[talk] => Action::Member { who: person, talk },
        _ => Action::MarkRead { by, talk },
    }
}
