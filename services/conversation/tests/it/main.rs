//! On real Postgres and Kafka. The peers are stood in for by small servers of their protos; the one of
//! the message service applies what it reads from the real log.

#[cfg(test)]
mod access;
#[cfg(test)]
mod blocks;
#[cfg(test)]
mod direct;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod list;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod suite;
