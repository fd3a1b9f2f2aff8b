//! The whole suite, from outside.

#[cfg(test)]
mod chat;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod people;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod steady_chat;
#[cfg(test)]
mod traces;
