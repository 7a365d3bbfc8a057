//! A small node over plain sockets and the codec alone, for `peers/python` to talk to: one thread a link, no routing.
//!
//! ```text
//! flatend2_peer serve [--legacy] [--network-key HEX]         prints `listening PORT`, serves until its input ends
//! flatend2_peer dial PORT [--network-key HEX]                asks what `peers/python/run` offers, prints `ok NAME` for each check
//! ```

mod ask;
mod link;
mod serve;

use std::error::Error;
use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use flatend_codec::Role;
use link::Link;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Default)]
struct Options {
    legacy: bool,
    network_key: Option<[u8; 32]>,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (command, mut options, mut port) = (arguments.next(), Options::default(), 0);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--legacy" => options.legacy = true,
            "--network-key" => {
                let hex = arguments
                    .next()
                    .ok_or("--network-key needs 64 hex digits")?;
                let mut key = [0; 32];
                for (at, byte) in key.iter_mut().enumerate() {
                    let digits = hex
                        .get(2 * at..2 * at + 2)
                        .ok_or("64 hex digits are needed")?;
                    *byte = u8::from_str_radix(digits, 16)?;
                }
                options.network_key = Some(key);
            }
            number => port = number.parse()?,
        }
    }
    match command.as_deref() {
        Some("dial") => ask::dial(port, &options),
        Some("serve") => {
            let listener = TcpListener::bind(("127.0.0.1", 0))?;
            println!("listening {}", listener.local_addr()?.port());
            std::thread::spawn(move || -> std::io::Result<()> {
                for socket in listener.incoming() {
                    let (socket, options) = (socket?, options.clone());
                    std::thread::spawn(move || {
                        let served = Link::new(socket, Role::Acceptor, &options).and_then(serve::serve_link);
                        // `peers/python/run` reads these.
                        println!("{}", served.map_or_else(|error| error.to_string(), |()| "over".to_owned()));
                    });
                }
                Ok(())
            });
            // Until whoever started us goes.
            std::io::stdin().read_to_end(&mut Vec::new())?;
            Ok(())
        }
        _ => Err("usage: flatend2_peer serve [--legacy] [--network-key HEX] | dial PORT [--network-key HEX]".into()),
    }
}
