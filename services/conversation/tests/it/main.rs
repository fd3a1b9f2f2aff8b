//! On real Postgres and Kafka. The peers are stood in for by small servers of their protos; the one of
//! the message service applies what it reads from the real log.

#[cfg(test)]
mod access;
#[cfg(test)]
mod blocks;
#[cfg(test)]
mod co_members;
#[cfg(test)]
mod departures;
#[cfg(test)]
mod direct;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod invitations;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod list;
#[cfg(test)]
mod members;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod personal;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod surface;
