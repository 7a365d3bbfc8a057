//! Names that `tools/purity` must find: one a line, with what it is behind the words `bad:`. Never compiled.

use std::net::TcpStream; // bad: a socket
use std::{
    net::{IpAddr, TcpListener}, // bad: a socket
    collections::HashMap,
    thread, // bad: a thread
};
use std::os::fd::RawFd; // bad: a socket
use socket2::Socket; // bad: a socket
use rand::Rng; // bad: a random number generator
use rand_core::{OsRng, RngCore}; // bad: a random number generator
use ring::rand::SystemRandom; // bad: a random number generator
use glommio::net; // bad: the runtime
use tracing::info; // bad: a logger
use std::fs::File; // bad: a file or the process

fn clocks() {
    let a = std::time::Instant::now(); // bad: a clock
    let b = SystemTime // bad: a clock
        ::now();
    let c = a.elapsed(); // bad: a clock
    println!("a line"); // bad: a logger
    thread::spawn(|| ()); // bad: a thread
    getrandom::fill(&mut buf); // bad: a random number generator
    let quote = '"'; OsRng.fill(&mut buf); // bad: a random number generator
    let raw = r#" " "#; std::env::var("HOME"); // bad: a file or the process
    /* a /* nested */ comment */ log::warn!("x"); // bad: a logger
    Instant /* between */ :: now(); // bad: a clock
}
