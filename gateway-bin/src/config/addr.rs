//! Addresses: `":3000"`, `"127.0.0.1:3000"`, `"[::1]:3000"`, and `"host:port#key"` of bootstrap nodes.
//!
//! Owns their grammar, which is that of Go's `net.SplitHostPort` with numeric ports. Refuses host names where we
//! listen (what would be bound is a guess), except `localhost`, which is 127.0.0.1 here as in the seed. An
//! address without a host listens on IPv4 and IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::model::{Bootstrap, PublicKey};
use crate::hex;

/// An address to listen on. The flag says that it takes IPv4 and IPv6 clients (host left out, or `[::]`).
///
/// # Errors
/// A sentence that says what is wrong and what to write instead, to follow the key's name.
pub fn parse_listen(text: &str) -> Result<(SocketAddr, bool), String> {
    let (host, port) = split(text, "127.0.0.1", "3000")?;
    let port = parse_port(text, port)?;
    let ip = match host {
        "" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        "*" => {
            return Err(format!(
                "is \"{text}\": write \":{port}\" to listen on every address"
            ))
        }
        host => parse_ip(text, host, port)?,
    };
    Ok((
        SocketAddr::new(ip, port),
        ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ))
}

/// The address that we show to peers: a numeric one with a port, and not "every address".
///
/// # Errors
/// As `parse_listen`.
pub fn parse_public(text: &str) -> Result<SocketAddr, String> {
    let (host, port) = split(text, "203.0.113.7", "9000")?;
    let port = parse_port(text, port)?;
    if port == 0 {
        return Err(format!("is \"{text}\", but peers cannot dial port 0: write the port that they reach, such as \"203.0.113.7:9000\""));
    }
    if host.is_empty() {
        return Err(format!("is \"{text}\", which has no host: write the address that peers reach, such as \"203.0.113.7:{port}\""));
    }
    let ip = parse_ip(text, host, port)?;
    if ip.is_unspecified() {
        return Err(format!("is \"{text}\", which no peer can dial: write the address that peers reach, such as \"203.0.113.7:{port}\""));
    }
    Ok(SocketAddr::new(ip, port))
}

/// A node to dial: `"host:port"` or `"host:port#key"`.
///
/// # Errors
/// As `parse_listen`.
pub fn parse_bootstrap(text: &str) -> Result<Bootstrap, String> {
    let (address, key) = match text.split_once('#') {
        Some((address, key)) => (address, Some(parse_public_key(key)?)),
        None => (text, None),
    };
    let (host, port) = split(address, "10.0.0.1", "9000")?;
    let port = parse_port(address, port)?;
    if host.is_empty() {
        return Err(format!(
            "is \"{text}\", which has no host: write the node's, such as \"10.0.0.1:{port}\""
        ));
    }
    if port == 0 {
        return Err(format!(
            "is \"{text}\", but no node listens on port 0: write its port, such as \"{host}:9000\""
        ));
    }
    let is_ip = host.parse::<IpAddr>().is_ok();
    if !is_ip && !is_host_name(host) {
        return Err(format!("is \"{text}\", whose host is neither an IP address nor a host name: write one such as \"10.0.0.1:{port}\""));
    }
    Ok(Bootstrap {
        host: host.to_owned(),
        port,
        key,
    })
}

/// A public key: 64 hex digits.
///
/// # Errors
/// As `parse_listen`.
pub fn parse_public_key(text: &str) -> Result<PublicKey, String> {
    hex::decode::<32>(text).ok_or_else(|| {
        format!("holds the key \"{text}\", which is not 64 hex digits: write a public key as `flatend keygen` prints it")
    })
}

/// Whether `host` is a DNS name: labels of letters, digits, `-` and `_`, to 63 bytes each and 253 in all.
#[must_use]
pub fn is_host_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    !host.is_empty()
        && host.len() <= 253
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
        // A name whose last label is a number is a mistyped IPv4 address (10.0.0.1.5, 300.1.1.1).
        && !host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Host (without brackets) and port of `text`.
fn split<'t>(
    text: &'t str,
    example_host: &str,
    example_port: &str,
) -> Result<(&'t str, &'t str), String> {
    if text.is_empty() {
        return Err(format!(
            "is empty: write host and port, such as \"{example_host}:{example_port}\""
        ));
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(format!(
            "is \"{text}\", which is a URL: write host and port without \"{scheme}://\""
        ));
    }
    if let Some(inside) = text.strip_prefix('[') {
        return match inside.split_once(']') {
            Some((host, after)) => match after.strip_prefix(':') {
                Some(port) => Ok((host, port)),
                None => Err(format!("is \"{text}\", which has no port: write \"[{host}]:{example_port}\"")),
            },
            None => Err(format!("is \"{text}\", whose bracket is not closed: write an IPv6 address as \"[::1]:{example_port}\"")),
        };
    }
    if let Some((host, port)) = text.rsplit_once(':') {
        // `::1:3000` is an address too, but a port is what was meant.
        if port.len() > 1 && port.parse::<u16>().is_ok() && host.parse::<Ipv6Addr>().is_ok() {
            return Err(format!(
                "is \"{text}\": write an IPv6 address in brackets, such as \"[{host}]:{port}\""
            ));
        }
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(format!("is \"{text}\": write an IPv6 address in brackets and with a port, such as \"[{text}]:{example_port}\""));
    }
    match text.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => {
            Err(format!("is \"{text}\", which has too many colons: write \"host:port\", an IPv6 host in brackets"))
        }
        Some(parts) => Ok(parts),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(format!("is \"{text}\", which has no colon: write \":{text}\" for that port on every address"))
        }
        None => Err(format!("is \"{text}\", which has no port: write \"{text}:{example_port}\"")),
    }
}

fn parse_port(text: &str, port: &str) -> Result<u16, String> {
    // `u16::from_str` takes a plus sign; an address does not.
    if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
        if let Ok(port) = port.parse() {
            return Ok(port);
        }
    }
    Err(format!(
        "is \"{text}\", whose port is not a number from 0 to 65535: write one such as \"{}3000\"",
        &text[..text.len() - port.len()]
    ))
}

fn parse_ip(text: &str, host: &str, port: u16) -> Result<IpAddr, String> {
    let ip = host.parse::<IpAddr>();
    if let Some(v4) = ip.as_ref().ok().and_then(as_mapped) {
        return Err(format!(
            "is \"{text}\", which is an IPv4 address in IPv6 form: write \"{v4}:{port}\""
        ));
    }
    ip.map_err(|_| {
        if is_host_name(host) {
            format!("is \"{text}\", which is a host name: write an IP address, or \":{port}\" for every address")
        } else {
            format!("is \"{text}\", whose host is not an IP address: write one such as \"127.0.0.1:{port}\", or \":{port}\" for every address")
        }
    })
}

/// The IPv4 address in one such as `::ffff:127.0.0.1`, which no socket of IPv6 alone can take.
fn as_mapped(ip: &IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped(),
        IpAddr::V4(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn listen_addresses() {
        for (text, want, dual) in [
            (":3000", "[::]:3000", true),
            ("[::]:3000", "[::]:3000", true),
            ("0.0.0.0:80", "0.0.0.0:80", false),
            ("127.0.0.1:3000", "127.0.0.1:3000", false),
            ("[::1]:3000", "[::1]:3000", false),
            ("localhost:3000", "127.0.0.1:3000", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            (":65535", "[::]:65535", true),
        ] {
            assert_eq!(parse_listen(text), Ok((socket(want), dual)), "{text}");
        }
    }

    #[test]
    fn listen_mistakes_say_what_to_write() {
        for (text, want) in [
            ("", "write host and port"),
            ("3000", "write \":3000\""),
            ("127.0.0.1", "write \"127.0.0.1:3000\""),
            (":65536", "0 to 65535"),
            (":-1", "0 to 65535"),
            (":+80", "0 to 65535"),
            (":http", "write one such as \":3000\""),
            (":", "0 to 65535"),
            ("::1", "\"[::1]:3000\""),
            ("[::1]", "\"[::1]:3000\""),
            ("[::1", "not closed"),
            ("1:2:3", "too many colons"),
            ("http://127.0.0.1:3000", "without \"http://\""),
            ("*:80", "write \":80\""),
            ("example.com:80", "host name: write an IP address"),
            ("300.1.1.1:80", "not an IP address"),
            ("[127.0.0.1:80", "not closed"),
            ("ü:80", "not an IP address"),
            ("[::ffff:127.0.0.1]:80", "write \"127.0.0.1:80\""),
            ("[::ffff:0:0]:80", "write \"0.0.0.0:80\""),
        ] {
            let message = parse_listen(text).expect_err(text);
            assert!(message.contains(want), "{text}: {message}");
        }
    }

    #[test]
    fn public_addresses_can_be_dialed() {
        assert_eq!(
            parse_public("203.0.113.7:9000"),
            Ok(socket("203.0.113.7:9000"))
        );
        for text in [
            ":9000",
            "0.0.0.0:9000",
            "[::]:9000",
            "[::ffff:203.0.113.7]:9000",
            "203.0.113.7:0",
            "gw.example:9000",
        ] {
            assert!(parse_public(text).unwrap_err().contains("write"), "{text}");
        }
    }

    #[test]
    fn bootstrap_nodes_may_be_names_and_may_pin_a_key() {
        let key = "ab".repeat(32);
        let node = parse_bootstrap(&format!("mesh.example:9000#{key}")).unwrap();
        assert_eq!(
            (node.host.as_str(), node.port, node.key),
            ("mesh.example", 9000, Some([0xAB; 32]))
        );
        assert_eq!(parse_bootstrap("[::1]:9000").unwrap().host, "::1");
        assert_eq!(
            parse_bootstrap("[::1]:9000").unwrap().to_string(),
            "[::1]:9000"
        );
        for (text, want) in [
            (":9000", "no host"),
            ("10.0.0.1:0", "port 0"),
            ("10.0.0.1", "no port"),
            ("10.0.0.1:9000#", "64 hex digits"),
            ("10.0.0.1:9000#abcd", "64 hex digits"),
            ("10.0.0.300:9000", "neither an IP address nor a host name"),
            ("a b:9000", "neither an IP address nor a host name"),
        ] {
            let message = parse_bootstrap(text).expect_err(text);
            assert!(message.contains(want), "{text}: {message}");
        }
    }

    #[test]
    fn host_names_at_their_limits() {
        assert!(is_host_name(&"a".repeat(63)));
        assert!(!is_host_name(&"a".repeat(64)));
        let label = "a".repeat(62);
        let most = format!("{label}.{label}.{label}.{label}.a"); // 4 × 63 + 1 = 253
        assert!(is_host_name(&most));
        assert!(!is_host_name(&format!("{most}a")));
        assert!(
            !is_host_name("a..b")
                && !is_host_name("-a")
                && !is_host_name("a-")
                && !is_host_name("")
        );
    }
}
