//! On real Postgres and the S3 of the local suite. The conversation service is stood in for by a small
//! server of its proto.

#[cfg(test)]
mod access;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod transfers;
