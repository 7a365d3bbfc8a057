//! flatend/2 from the outside: two connections that recognise each other, what they say, and who tries to break it.

mod attackers;
mod conversation;
mod flow;
mod recognition;
#[path = "../support/mod.rs"]
mod support;
