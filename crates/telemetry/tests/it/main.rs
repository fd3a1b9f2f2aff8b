//! What a process says of itself, read from its output.

#[cfg(test)]
mod lines;
