//! The account service on real servers.

#[cfg(test)]
mod devices;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod identities;
#[cfg(test)]
mod mailed;
#[cfg(test)]
mod password;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod registration;
#[cfg(test)]
mod rotation;
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
