//! Peers that break the protocol or abuse it. Each costs its own link: a FIN first, one line in the log, and everybody else goes
//! on. What they can make a node hold is bounded.

#[path = "../support/mod.rs"]
mod support;

mod faults;
mod floods;
mod mistaken;
mod providers;
mod silent;
mod victim;
