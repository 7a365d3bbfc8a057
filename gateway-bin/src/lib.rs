//! The flatend gateway: its configuration, command line, key files and log.
//!
//! The binary `flatend` is a thin shell over this library. Everything that a user can get wrong is caught here,
//! before anything runs, and answered with what to write instead.

pub mod config;
pub mod keys;
pub mod limits;
