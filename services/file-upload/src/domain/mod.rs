//! What a file is and how it may be shown. No I/O here.

pub mod content_type;
pub mod disposition;
pub mod file;
pub mod file_name;
pub mod picture;
