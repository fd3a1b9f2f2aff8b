//! The program from outside, by plain HTTP; the services' tests use it through the AWS SDK.

#[cfg(test)]
mod program;
