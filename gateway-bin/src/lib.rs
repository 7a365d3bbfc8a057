//! The flatend gateway: its configuration, command line, key files, log and signals.
//!
//! The binary `flatend` is a thin shell over this library. Everything that a user can get wrong is caught here,
//! before anything runs, and answered with what to write instead.

pub mod access;
mod agent;
pub mod cli;
pub mod commands;
pub mod config;
mod demo;
pub mod gateway;
pub mod invited;
pub mod keys;
pub mod limits;
pub mod logs;
mod replace;
pub mod signals;
pub mod trust;

pub use flatend::hex;
pub use flatend::rt::io_words;
