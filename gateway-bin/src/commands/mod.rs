//! One module a command. Each takes its options and where to write, and gives the exit status.

pub mod agent;
pub mod call;
pub mod check;
pub mod demo;
pub mod forget;
pub mod invite;
pub mod keygen;
pub mod run;
