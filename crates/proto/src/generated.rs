#![expect(
    clippy::all,
    clippy::allow_attributes,
    reason = "generated code has its own style"
)]

include!("gen/mod.rs");
