//! The mail catcher from outside.

#[cfg(test)]
mod catching;
