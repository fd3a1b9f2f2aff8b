//! On real Postgres and the S3 of the local suite. The account and the conversation service are stood in for
//! by small servers of their protos.

#[cfg(test)]
mod access;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod pictures;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod transfers;
