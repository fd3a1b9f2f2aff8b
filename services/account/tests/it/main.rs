//! The account service on real servers.

#[cfg(test)]
mod blocks;
#[cfg(test)]
mod contacts;
#[cfg(test)]
mod conversation;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod last_seen;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod permissions;
#[cfg(test)]
mod privacy;
#[cfg(test)]
mod registration;
#[cfg(test)]
mod search;
#[cfg(test)]
mod service;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod tries;
