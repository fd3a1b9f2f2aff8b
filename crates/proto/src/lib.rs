//! Bindings of the protocol buffers in `/proto`.
//!
//! [`socket`] is what clients and gateways say to each other; its types have serde, and the JSON form
//! of a frame is that of the enums [`socket::client_frame::Frame`] and [`socket::server_frame::Frame`].
//! [`event`] is what travels on Kafka. The others are one gRPC package a service.

mod changes;
mod generated;

pub use generated::parlance::account::v1 as account;
pub use generated::parlance::conversation::v1 as conversation;
pub use generated::parlance::event::v1 as event;
pub use generated::parlance::file::v1 as file;
pub use generated::parlance::gateway::v1 as gateway;
pub use generated::parlance::message::v1 as message;
pub use generated::parlance::socket::v1 as socket;

pub use prost::Message;

/// All files as a `google.protobuf.FileDescriptorSet`, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/descriptors.binpb");
