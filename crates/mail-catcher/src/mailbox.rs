use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use clock::Clock;
use mailparse::{MailHeaderMap as _, ParsedMail};
use serde::Serialize;
use time::OffsetDateTime;

/// Most mails that are kept; the oldest go first.
const KEPT: usize = 500;

/// A mail, as its reader sees it.
#[derive(Clone, Debug, Serialize)]
pub struct Mail {
    /// Counts up from 1.
    pub number: u64,
    #[serde(with = "time::serde::rfc3339")]
    pub received_at: OffsetDateTime,
    /// Of the envelope.
    pub from: String,
    /// Of the envelope.
    pub to: Vec<String>,
    pub subject: String,
    /// Its text, decoded.
    pub text: String,
}

/// The mails that were caught. Clones share them.
#[derive(Clone, Debug)]
pub struct Mailbox {
    clock: Clock,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    mails: VecDeque<Mail>,
    count: u64,
}

/// What the sender said of a mail besides its content.
#[derive(Debug, Default)]
pub(crate) struct Envelope {
    pub from: String,
    pub to: Vec<String>,
}

impl Mailbox {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            kept: Arc::default(),
        }
    }

    /// Keeps a mail. One that can't be read is kept as it came.
    pub(crate) fn put(&self, envelope: Envelope, content: &[u8]) {
        let parsed = mailparse::parse_mail(content).ok();
        let subject = parsed
            .as_ref()
            .and_then(|mail| mail.headers.get_first_value("Subject"))
            .unwrap_or_default();
        let text = parsed
            .as_ref()
            .and_then(text_of)
            .unwrap_or_else(|| String::from_utf8_lossy(content).into_owned());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.count += 1;
        let mail = Mail {
            number: kept.count,
            received_at: self.clock.now(),
            from: envelope.from,
            to: envelope.to,
            subject,
            text,
        };
        if kept.mails.len() == KEPT {
            kept.mails.pop_front();
        }
        kept.mails.push_back(mail);
    }

    /// The mails that are kept, newest first; only those to `to`, if given.
    #[must_use]
    pub fn mails(&self, to: Option<&str>) -> Vec<Mail> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.mails
            .iter()
            .rev()
            .filter(|mail| to.is_none_or(|to| mail.to.iter().any(|t| t.eq_ignore_ascii_case(to))))
            .cloned()
            .collect()
    }
}

/// The first part that is plain text, decoded, else the first part of all.
fn text_of(mail: &ParsedMail<'_>) -> Option<String> {
    let plain = mail
        .parts()
        .find(|part| part.ctype.mimetype == "text/plain");
    plain.unwrap_or(mail).get_body().ok()
}
