//! Where an upstream is: `http://host:port`, taken apart.

use std::fmt;
use std::net::SocketAddr;

use crate::h1::is_valid_authority;

/// Port of `http://` without one.
const PORT_DEFAULT: u16 = 80;

/// Scheme, host and port of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    text: String,
    /// Host without brackets.
    host: String,
    port: u16,
}

impl Origin {
    /// Takes `http://host`, `http://host:port`, with or without a slash at the end.
    ///
    /// # Errors
    /// One sentence.
    pub fn parse(url: &str) -> Result<Origin, String> {
        let wrong = || format!("'{url}' is no upstream: write http://host:port");
        let authority = url.strip_prefix("http://").ok_or_else(wrong)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if !is_valid_authority(authority) {
            return Err(wrong());
        }
        let (host, port) = match authority.rsplit_once(':') {
            // A colon inside brackets is of the address.
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (authority, PORT_DEFAULT),
        };
        if port == 0 {
            return Err(wrong());
        }
        Ok(Origin {
            text: format!("http://{authority}"),
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
        })
    }

    /// `http://host:port` as it was written, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What a request's Host says if nothing else does.
    pub(super) fn authority(&self) -> &str {
        self.text.strip_prefix("http://").unwrap_or(&self.text)
    }

    /// The address, if the host is one.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.host.parse().ok()?, self.port))
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_taken_apart() {
        for (url, host, port, address) in [
            ("http://127.0.0.1:8080", "127.0.0.1", 8080, true),
            ("http://127.0.0.1:8080/", "127.0.0.1", 8080, true),
            ("http://[::1]:8080", "::1", 8080, true),
            ("http://[::1]", "::1", 80, true),
            ("http://backend", "backend", 80, false),
            ("http://backend.example:81", "backend.example", 81, false),
        ] {
            let origin = Origin::parse(url).unwrap();
            assert_eq!((origin.host(), origin.port()), (host, port), "{url}");
            assert_eq!(origin.address().is_some(), address, "{url}");
            assert_eq!(origin.as_str(), url.trim_end_matches('/'));
        }
        assert_eq!(
            Origin::parse("http://[::1]:80").unwrap().authority(),
            "[::1]:80"
        );
        for url in [
            "",
            "ftp://x",
            "https://a",
            "http://",
            "http://a/b",
            "http://u@a",
            "http://a:0",
            "http://a:65536",
            "http://a:x",
        ] {
            assert!(Origin::parse(url).is_err(), "{url}");
        }
    }
}
