//! Leads people through a deployment, writes down what each of them saw, and decides whether the promise
//! was kept: an acknowledged message is stored, numbered, and seen exactly once, in the same order, by
//! everybody it is for, on every device; the badge is always right; a gap is never silent.

pub mod check;
pub mod command;
pub mod figures;
pub mod history;
pub mod run;
