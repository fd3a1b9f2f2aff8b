//! Every metric of this service beside those of its ports.

/// Files that were announced.
const ANNOUNCED: &str = "file_upload_announced_total";
/// Files whose bytes came as announced.
const COMPLETED: &str = "file_upload_completed_total";
/// Bytes of the completed files.
const COMPLETED_BYTES: &str = "file_upload_completed_bytes_total";
/// Announced files that were forgotten because their bytes never came.
const ABANDONED: &str = "file_upload_abandoned_total";
/// Profile pictures that were forgotten because no profile named them.
const UNUSED_PICTURES: &str = "file_upload_unused_pictures_total";

/// Gives the metrics their help texts.
pub fn describe() {
    ::metrics::describe_counter!(ANNOUNCED, "Files that were announced");
    ::metrics::describe_counter!(COMPLETED, "Files whose bytes came as announced");
    ::metrics::describe_counter!(
        COMPLETED_BYTES,
        ::metrics::Unit::Bytes,
        "Bytes of the completed files"
    );
    ::metrics::describe_counter!(ABANDONED, "Announced files whose bytes never came");
    ::metrics::describe_counter!(UNUSED_PICTURES, "Profile pictures that no profile named");
}

pub(crate) fn announced() {
    ::metrics::counter!(ANNOUNCED).increment(1);
}

pub(crate) fn completed(bytes: u64) {
    ::metrics::counter!(COMPLETED).increment(1);
    ::metrics::counter!(COMPLETED_BYTES).increment(bytes);
}

pub(crate) fn abandoned() {
    ::metrics::counter!(ABANDONED).increment(1);
}

pub(crate) fn unused_pictures(count: usize) {
    ::metrics::counter!(UNUSED_PICTURES).increment(count as u64);
}
