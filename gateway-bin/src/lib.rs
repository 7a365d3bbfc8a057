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
pub mod hex;
pub mod keys;
pub mod limits;
pub mod logs;
pub mod signals;

/// An error of the system in plain words, without its number.
#[must_use]
pub fn io_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}
