//! Every metric of the service that isn't of its HTTP or gRPC stack.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Gives each metric its unit and its sentence. Label `partition`: a partition of the log, by number;
/// the series of a partition that went to another pod stays, at 0.
pub fn describe() {
    describe_gauge!(
        "message_partitions_owned",
        "Partitions of the log that this pod applies"
    );
    describe_gauge!(
        "message_log_partitions",
        "Partitions that the log has, by configuration"
    );
    describe_gauge!(
        "message_log_lag_records",
        Unit::Count,
        "Records of a partition, by label, that are in the log and not applied yet"
    );
    describe_gauge!(
        "message_log_oldest_seconds",
        Unit::Seconds,
        "Age of the oldest record of a partition, by label, that was read and isn't applied yet; 0 when there is none"
    );
    describe_histogram!(
        "message_batch_records",
        "Records of the log applied together"
    );
    describe_histogram!(
        "message_batch_seconds",
        Unit::Seconds,
        "From having a batch of a partition to its being stored and told"
    );
    describe_histogram!(
        "message_commit_partitions",
        "Partitions whose batches were stored and told together"
    );
    describe_histogram!(
        "message_commit_store_seconds",
        Unit::Seconds,
        "From beginning a commit to having it stored, heads included"
    );
    describe_histogram!(
        "message_commit_tell_seconds",
        Unit::Seconds,
        "From having a commit stored to Kafka having its deliveries"
    );
    describe_histogram!(
        "message_log_age_seconds",
        Unit::Seconds,
        "From the broker's stamp of a record to its being told"
    );
    describe_counter!(
        "message_batch_retries_total",
        "Tries of a batch that failed: a server was away or refused"
    );
    describe_counter!(
        "message_store_unprocessed_total",
        "Batches that DynamoDB took in part"
    );
    describe_counter!(
        "message_heads_overtaken_total",
        "Heads that another owner had stored already"
    );
    describe_counter!(
        "message_records_set_aside_total",
        "Records of the log that can't be applied: look at them"
    );
    describe_counter!(
        "message_membership_gaps_total",
        "Versions of a membership that are missing: look at them"
    );
    describe_counter!(
        "message_consumer_restarts_total",
        "Consumers of the log that failed for good and were followed by another"
    );
    describe_counter!(
        "message_route_lookups_failed_total",
        "Look-ups of sockets that Redis didn't answer"
    );
    describe_counter!(
        "message_index_repairs_total",
        "Times that the index of changes began again"
    );
}
