//! Every metric of this service beside those of its ports.

use std::time::Duration;

use crate::store::outbox::Backlog;

/// Membership changes that Kafka acknowledged.
const PUBLISHED: &str = "conversation_outbox_published_total";
/// Seconds since the oldest change in the outbox was made; 0 when it is empty. An alert above 30: new
/// members see nothing, removed ones still do.
const OLDEST: &str = "conversation_outbox_oldest_seconds";
/// Seconds from a change's commit until the log had applied it. Label `outcome`: `applied`, `pending`.
const APPLY: &str = "conversation_membership_apply_seconds";

/// Messages that were counted for the reports.
const COUNTED: &str = "conversation_activity_messages_total";

/// Gives the metrics their help texts.
pub fn describe() {
    ::metrics::describe_counter!(PUBLISHED, "Membership changes that Kafka acknowledged");
    ::metrics::describe_gauge!(
        OLDEST,
        ::metrics::Unit::Seconds,
        "Age of the oldest membership change that the log has yet to learn"
    );
    ::metrics::describe_histogram!(
        APPLY,
        ::metrics::Unit::Seconds,
        "From the commit of a membership change until the log has applied it"
    );
    ::metrics::describe_counter!(COUNTED, "Messages that were counted for the reports");
}

pub(crate) fn published() {
    ::metrics::counter!(PUBLISHED).increment(1);
}

pub(crate) fn backlog(backlog: Backlog) {
    ::metrics::gauge!(OLDEST).set(backlog.oldest_seconds);
}

pub(crate) fn applied(after: Duration) {
    ::metrics::histogram!(APPLY, "outcome" => "applied").record(after);
}

pub(crate) fn pending(after: Duration) {
    ::metrics::histogram!(APPLY, "outcome" => "pending").record(after);
}

pub(crate) fn counted(messages: u32) {
    ::metrics::counter!(COUNTED).increment(messages.into());
}
