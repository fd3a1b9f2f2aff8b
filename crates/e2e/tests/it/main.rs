//! The whole suite, from outside.

#[cfg(test)]
mod blocks;
#[cfg(test)]
mod chat;
#[cfg(test)]
mod contacts;
#[cfg(test)]
mod departures;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod grpc_strangers;
#[cfg(test)]
mod lost_log;
#[cfg(test)]
mod networks;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod people;
#[cfg(test)]
mod presence;
#[cfg(test)]
mod reconnects;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod rolling;
#[cfg(test)]
mod steady_chat;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod throttling;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod traces;
