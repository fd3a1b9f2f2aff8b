#![expect(
    clippy::all,
    clippy::unwrap_used,
    clippy::large_futures,
    reason = "generated code has its own style"
)]

include!("gen/mod.rs");
