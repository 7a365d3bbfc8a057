//! `HOST:PORT` as text, with or without a key, wherever an address is written: in a program, in a join token.

use crate::hex;

/// `HOST:PORT` or `HOST:PORT#KEY`: the address, and the key that alone may answer there.
///
/// # Errors
/// The key is none.
pub(crate) fn pinned(target: &str) -> Result<(&str, Option<[u8; 32]>), String> {
    match target.split_once('#') {
        None => Ok((target, None)),
        Some((addr, key)) => match hex::decode(key) {
            Some(key) => Ok((addr, Some(key))),
            None => Err(
                "what stands behind '#' is no public key: write 64 hex digits, as `flatend keygen` prints them"
                    .to_owned(),
            ),
        },
    }
}

/// `HOST:PORT`, with an IPv6 address in brackets.
pub(crate) fn host_and_port(text: &str) -> Result<(&str, u16), String> {
    let form = "write HOST:PORT, as in 127.0.0.1:9000";
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(format!("{scheme}:// has no place here; {form}"));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(format!("a port is missing; {form}"));
    };
    if host.is_empty() {
        return Err(format!(
            "a host is missing; {form}; 0.0.0.0 and [::] stand for all addresses of this machine"
        ));
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err("an IPv6 address stands in brackets, as in [::1]:9000".to_owned());
    }
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        // A number may have a sign elsewhere.
        Ok(port) if digits => Ok((host, port)),
        _ => Err(format!("'{port}' is no port, 1 to 65535; {form}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_told_apart_and_what_is_neither_says_why() {
        assert_eq!(host_and_port("a.example:9000"), Ok(("a.example", 9_000)));
        assert_eq!(host_and_port("[::1]:0"), Ok(("[::1]", 0)));
        let key = "07".repeat(32);
        let with_key = format!("a:1#{key}");
        assert_eq!(pinned(&with_key), Ok(("a:1", Some([7; 32]))));
        assert!(pinned(&with_key[..with_key.len() - 1]).is_err());
        assert_eq!(pinned("a:1"), Ok(("a:1", None)));
        for (text, says) in [
            ("9000", "a port is missing"),
            (":9000", "a host is missing"),
            ("::1:9000", "in brackets"),
            ("http://a:1", "http://"),
            ("a:65536", "no port"),
            ("a:+9", "no port"),
            ("a:", "no port"),
        ] {
            let why = host_and_port(text).expect_err(text);
            assert!(why.contains(says), "{text}: {why}");
        }
    }
}
