//! The command line against the whole suite.

#[cfg(test)]
mod commands;
