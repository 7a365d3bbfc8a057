//! flatend/2 from the outside: two connections that recognise each other, what they say, and who tries to break it.

mod attackers;
mod budget;
mod conversation;
mod floods;
mod flow;
mod impostors;
mod memory;
mod recognition;
mod rest;
#[path = "../support/mod.rs"]
mod support;
