//! Names that `tools/purity` must let pass: values, words in comments and literals, tests. Never compiled.
//! A comment may say TcpStream, Instant::now() and glommio.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

/* SystemTime::now() /* OsRng */ thread::spawn */
fn values(now: Instant, wall: SystemTime, seed: [u8; 32], from: SocketAddr) -> Duration {
    let text = "glommio, TcpStream and \" Instant::now()";
    let raw = r##"println!("#) OsRng"# "##;
    let byte = b"std::fs";
    let life: &'static str = "rand::random()";
    let quote = ('\'', '"', '\\', b'"');
    let random = seed.random_looking();
    let operand = brand::new(text, raw, byte, life, quote, random);
    now.duration_since(now) + operand.elapsed_ms()
}

#[cfg(test)]
mod tests {
    use super::*;
    fn epoch() -> Instant {
        if true { Instant::now() } else { Instant::now() }
    }
}

#[cfg(test)]
use std::net::TcpStream;

fn after() {}
