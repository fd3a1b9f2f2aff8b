//! Every metric of this service. Labels are ours, never a caller's text.

use std::time::Duration;

use ::metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

pub fn describe() {
    describe_counter!(
        "account_sign_ins_total",
        "Tries to sign in, by outcome: signed_in, created, wrong_credentials, limited."
    );
    describe_counter!("account_registrations_total", "People who registered.");
    describe_counter!(
        "account_refreshes_total",
        "Uses of refresh tokens, by outcome: next, repeated, reused, refused."
    );
    describe_counter!(
        "account_sessions_ended_total",
        "Sessions ended, by why: logged_out, token_reused, revoked, password_changed, recovered, \
         account_deleted."
    );
    describe_counter!(
        "redis_errors_total",
        "Calls to Redis that failed; each was done without it."
    );
    describe_histogram!(
        "account_password_hash_seconds",
        Unit::Seconds,
        "Time of one Argon2id hash, the wait for a core not included."
    );
    describe_counter!(
        "account_mails_total",
        "Tries to send a mail, by outcome: sent, failed, nobody, refused, unwritable, off, given_up."
    );
    describe_gauge!("account_mails_pending", "Mails that wait to be sent.");
    describe_gauge!(
        "account_ended_sessions_pending",
        "Ended sessions whose sockets are still to be closed."
    );
    describe_gauge!(
        "account_blocks_untold_oldest_seconds",
        Unit::Seconds,
        "Age of the oldest block, or end of one, that the conversation service has yet to learn."
    );
    describe_gauge!(
        "account_departures_untold_oldest_seconds",
        Unit::Seconds,
        "Age of the oldest deletion of an account that the conversation service has yet to learn."
    );
}

pub fn sign_in(outcome: &'static str) {
    counter!("account_sign_ins_total", "outcome" => outcome).increment(1);
}

pub fn registered() {
    counter!("account_registrations_total").increment(1);
}

pub fn refresh(outcome: &'static str) {
    counter!("account_refreshes_total", "outcome" => outcome).increment(1);
}

pub fn session_ended(why: &'static str) {
    counter!("account_sessions_ended_total", "why" => why).increment(1);
}

pub fn hashed(took: Duration) {
    histogram!("account_password_hash_seconds").record(took);
}

pub fn ended_sessions_pending(count: u64) {
    gauge!("account_ended_sessions_pending").set(count as f64);
}

pub fn oldest_untold_block(age: Duration) {
    gauge!("account_blocks_untold_oldest_seconds").set(age.as_secs_f64());
}

pub fn oldest_untold_departure(age: Duration) {
    gauge!("account_departures_untold_oldest_seconds").set(age.as_secs_f64());
}

pub fn mail(outcome: &'static str) {
    counter!("account_mails_total", "outcome" => outcome).increment(1);
}

pub fn mails_pending(count: u64) {
    gauge!("account_mails_pending").set(count as f64);
}
