//! How often one may try. A try is counted before it is made, so that parallel ones can't slip through, and given back
//! when it was a good one: who knows the password is not slowed down.

use std::net::IpAddr;

use clock::Clock;
use ids::UserId;
use problem::Problem;
use rate_limit::{Limit, Rate, Redis};
use sha2::{Digest as _, Sha256};

use crate::config;
use crate::domain::Email;

pub struct Limits {
    account_and_address: Limit,
    account: Limit,
    address: Limit,
    invitations: Limit,
    invitations_of_pair: Limit,
    block_changes: Limit,
    searches: Limit,
    searches_of_day: Limit,
    searches_from_address: Limit,
    mail_recipient: Limit,
    mail_address: Limit,
    handle_changes: Limit,
}

const MINUTE: u32 = 60;
const HOUR: u32 = 3_600;
const DAY: u32 = 24 * HOUR;

impl Limits {
    pub fn new(
        settings: &config::Limits,
        contacts: &config::Contacts,
        redis: Redis,
        clock: Clock,
    ) -> Self {
        let limit = |name, tries, window_seconds| {
            let rate = Rate {
                tries,
                window_seconds,
            };
            Limit::new(name, rate, redis.clone(), clock.clone())
        };
        Self {
            account_and_address: limit(
                "account-address",
                settings.tries_per_account_and_address,
                settings.tries_per_account_and_address_window_seconds,
            ),
            account: limit(
                "account",
                settings.tries_per_account,
                settings.tries_per_account_window_seconds,
            ),
            address: limit(
                "address",
                settings.tries_per_address,
                settings.tries_per_address_window_seconds,
            ),
            invitations: limit("invitations", contacts.invitations_per_hour, HOUR),
            invitations_of_pair: limit(
                "invitations-pair",
                contacts.invitations_to_one_person_per_day,
                DAY,
            ),
            block_changes: limit("blocks", contacts.block_changes_per_minute, MINUTE),
            searches: limit("searches", contacts.searches_per_minute, MINUTE),
            searches_of_day: limit("searches-day", contacts.searches_per_day, DAY),
            searches_from_address: limit(
                "searches-address",
                contacts.searches_per_address_and_minute,
                MINUTE,
            ),
            mail_recipient: limit(
                "mail-recipient",
                settings.mails_per_recipient,
                settings.mails_per_recipient_window_seconds,
            ),
            mail_address: limit(
                "mail-address",
                settings.mails_per_address,
                settings.mails_per_address_window_seconds,
            ),
            handle_changes: limit(
                "handle-changes",
                settings.handle_changes,
                settings.handle_changes_window_seconds,
            ),
        }
    }

    /// Counts an invitation.
    pub async fn invitation(&self, inviter: UserId, invitee: UserId) -> Result<Try<'_>, Problem> {
        let (inviter, invitee) = (inviter.to_string(), invitee.to_string());
        self.count(vec![
            (&self.invitations, key(&[&inviter])),
            (&self.invitations_of_pair, key(&[&inviter, &invitee])),
        ])
        .await
    }

    /// Counts a block, or the end of one.
    pub async fn block_change(&self, blocker: UserId) -> Result<Try<'_>, Problem> {
        let blocker = key(&[&blocker.to_string()]);
        self.count(vec![(&self.block_changes, blocker)]).await
    }

    /// Counts a search for people, or a look for one of them.
    pub async fn search(&self, seeker: UserId, address: IpAddr) -> Result<Try<'_>, Problem> {
        let seeker = key(&[&seeker.to_string()]);
        self.count(vec![
            (&self.searches, seeker.clone()),
            (&self.searches_of_day, seeker),
            (&self.searches_from_address, key(&[&address_key(address)])),
        ])
        .await
    }

    /// Counts a try to sign in.
    pub async fn sign_in(&self, email: &Email, address: IpAddr) -> Result<Try<'_>, Problem> {
        let address = address_key(address);
        self.count(vec![
            (&self.address, key(&[&address])),
            (&self.account_and_address, key(&[email.as_str(), &address])),
            (&self.account, key(&[email.as_str()])),
        ])
        .await
    }

    /// Counts a registration.
    pub async fn registration(&self, address: IpAddr) -> Result<Try<'_>, Problem> {
        self.count(vec![(&self.address, key(&[&address_key(address)]))])
            .await
    }

    /// Counts a mail that somebody asks for. Known and unknown recipients count alike.
    pub async fn mail(&self, recipient: &Email, address: IpAddr) -> Result<Try<'_>, Problem> {
        self.count(vec![
            (&self.mail_address, key(&[&address_key(address)])),
            (&self.mail_recipient, key(&[recipient.as_str()])),
        ])
        .await
    }

    /// Counts a change of a handle.
    pub async fn handle_change(&self, user: UserId) -> Result<Try<'_>, Problem> {
        self.count(vec![(&self.handle_changes, key(&[&user.to_string()]))])
            .await
    }

    async fn count<'a>(&'a self, wanted: Vec<(&'a Limit, String)>) -> Result<Try<'a>, Problem> {
        let mut counted: Vec<(&Limit, String)> = Vec::with_capacity(wanted.len());
        for (limit, key) in wanted {
            if let Err(problem) = limit.take(&key, 1).await {
                Try { counted }.give_back().await;
                return Err(problem);
            }
            counted.push((limit, key));
        }
        Ok(Try { counted })
    }
}

/// A try that was counted.
pub struct Try<'a> {
    counted: Vec<(&'a Limit, String)>,
}

impl Try<'_> {
    /// It was a good one: it does not count.
    pub async fn give_back(self) {
        for (limit, key) in self.counted {
            limit.give_back(&key, 1).await;
        }
    }
}

/// One IPv6 customer has a /64, all of whose addresses are theirs.
fn address_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let s = v6.segments();
            format!("{:x}:{:x}:{:x}:{:x}", s[0], s[1], s[2], s[3])
        }
    }
}

/// Hashed: Redis need not know who has an account here.
fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_customer_is_one_address() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:10.0.0.1"), key("10.0.0.1"));
    }
}
