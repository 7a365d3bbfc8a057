//! The upstream of the relays: gives every byte back, a read's worth at once.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::limits::READ_BYTES;

/// Serves until the process is ended.
///
/// # Errors
/// Nobody can connect any more.
pub(crate) fn run(listener: &TcpListener) -> Result<(), String> {
    loop {
        let (link, _) = listener
            .accept()
            .map_err(|error| format!("cannot accept: {error}"))?;
        // A link that breaks ends alone.
        thread::spawn(move || echo(link).ok());
    }
}

fn echo(mut link: TcpStream) -> io::Result<()> {
    link.set_nodelay(true)?;
    let mut bytes = vec![0; READ_BYTES];
    loop {
        match link.read(&mut bytes)? {
            0 => return Ok(()),
            len => link.write_all(&bytes[..len])?,
        }
    }
}
