//! The account service on real servers.

#[cfg(test)]
mod blocks;
#[cfg(test)]
mod contacts;
#[cfg(test)]
mod conversation;
#[cfg(test)]
mod devices;
#[cfg(test)]
mod ended_sessions;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod identities;
#[cfg(test)]
mod last_seen;
#[cfg(test)]
mod mailed;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod password;
#[cfg(test)]
mod permissions;
#[cfg(test)]
mod pictures;
#[cfg(test)]
mod privacy;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod registration;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod search;
#[cfg(test)]
mod service;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod tries;
