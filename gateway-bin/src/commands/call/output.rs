//! The response of a call, as it comes: each piece is out before the next is awaited.

use std::io::{self, Write};

use flatend::HandleResponse;

use super::Ended;

/// Writes the headers, one a line as they came, and an empty line.
pub(super) fn head(response: &HandleResponse, out: &mut impl Write) -> io::Result<()> {
    for (name, value) in response.headers().iter() {
        out.write_all(&line(name))?;
        out.write_all(b": ")?;
        out.write_all(&line(value))?;
        out.write_all(b"\n")?;
    }
    out.write_all(b"\n")?;
    out.flush()
}

/// Without what would end the line or change the terminal.
fn line(bytes: &[u8]) -> Vec<u8> {
    let is_control = |byte: &u8| byte.is_ascii_control();
    bytes
        .iter()
        .map(|byte| if is_control(byte) { b'?' } else { *byte })
        .collect()
}

/// Writes the body.
pub(super) async fn body(mut response: HandleResponse, out: &mut impl Write) -> Result<(), Ended> {
    let mut written = 0u64;
    loop {
        match response.read().await {
            Ok(None) => return Ok(()),
            Ok(Some(bytes)) => {
                written += bytes.len() as u64;
                out.write_all(&bytes)
                    .and_then(|()| out.flush())
                    .map_err(Ended::Output)?;
            }
            Err(error) => {
                return Err(Ended::Sentence(format!(
                    "after {written} bytes of its body: {error}"
                )))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_cannot_change_the_terminal() {
        assert_eq!(line("a\u{1b}[31m\r\nü".as_bytes()), "a?[31m??ü".as_bytes());
    }
}
