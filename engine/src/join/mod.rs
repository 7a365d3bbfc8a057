//! Join tokens: all that a service needs to find its mesh, in one string that survives a chat window. Pure: text to values and
//! back. Owns the form and its rules ([`JoinToken`]); dials nothing. The invariants that a change is likeliest to break: a token that
//! this version does not understand whole is refused with a sentence, never used in part; and a message never shows its secret.

mod text;

use std::fmt;
use std::str::FromStr;

use crate::host_port::{host_and_port, pinned};
use crate::keys::SecretKey;
use crate::limits::{JOIN_ADDRS_MAX, JOIN_BYTES_MAX, JOIN_NAME_BYTES_MAX};
use crate::utc::utc_string;

/// What every token of this form begins with; the number is the form's.
const PREFIX: &str = "flatend-join-1-";

/// What tokens of all forms begin with.
const FAMILY: &str = "flatend-join-";

/// A label, for people.
const NAME: u8 = 1;

/// An address of a node, `HOST:PORT`; one field each.
const ADDR: u8 = 2;

/// When it expires, seconds since 1970 (8 bytes, big-endian). Odd: the node that made the token looks at its own clock anyway.
const EXPIRES: u8 = 3;

/// The seed of the key to join with (32 bytes). Even: who passed it over would come as somebody else.
const SECRET: u8 = 4;

/// The network key of the mesh (32 bytes). Even: nobody comes in without it.
const NETWORK: u8 = 6;

/// The secrets of a token.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct JoinSecrets {
    /// The key to join with, for a node without one of its own.
    pub key: Option<SecretKey>,
    /// The network key of the mesh ([`NodeBuilder::network_key`](crate::NodeBuilder::network_key)).
    pub network: Option<[u8; 32]>,
}

impl JoinSecrets {
    /// These, and those of `other` where there are none.
    #[must_use]
    pub fn or(self, other: JoinSecrets) -> JoinSecrets {
        JoinSecrets {
            key: self.key.or(other.key),
            network: self.network.or(other.network),
        }
    }
}

impl fmt::Debug for JoinSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = self.network.map(|_| "…");
        f.debug_struct("JoinSecrets")
            .field("key", &self.key)
            .field("network", &network)
            .finish()
    }
}

/// What a node is told to join a mesh: addresses to dial, a label, and perhaps a secret key to join with and a time from which on
/// it is good no more. By its key a node is known to who made the token, and can be revoked. Whoever has a token with a key is
/// that node: it is to be kept as a key file is.
///
/// As text it is `flatend-join-1-` and the base64url of fields and a checksum. A field is its kind (a byte), its length (two bytes,
/// big-endian) and its value. A kind that a reader does not know is skipped if it is odd and refuses the token if it is even. Space
/// and line breaks within the text mean nothing.
///
/// ```
/// use flatend::JoinToken;
///
/// let token = JoinToken::new(["gateway.example:9000"], Some("laptop"))?;
/// let text = token.to_string();
/// assert_eq!(text.parse::<JoinToken>()?, token);
/// # Ok::<(), flatend::JoinError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinToken {
    addrs: Vec<String>,
    name: Option<String>,
    secrets: JoinSecrets,
    expires_s: Option<u64>,
}

/// Why a text is no join token, or one cannot be made. Its `Display` is a sentence without the full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinError(pub(crate) String);

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JoinError {}

fn wrong(why: impl Into<String>) -> JoinError {
    JoinError(format!("the join token {}", why.into()))
}

impl JoinToken {
    /// A token for these addresses (`HOST:PORT`, in the order in which they are dialed), with a label if wanted.
    ///
    /// # Errors
    /// No address or more than 16, an address without a port or that stands for all of a machine, a label of more than 64 bytes or with control characters.
    pub fn new(
        addrs: impl IntoIterator<Item = impl Into<String>>,
        name: Option<&str>,
    ) -> Result<JoinToken, JoinError> {
        let token = JoinToken {
            addrs: addrs.into_iter().map(Into::into).collect(),
            name: name.map(str::to_owned),
            secrets: JoinSecrets::default(),
            expires_s: None,
        };
        token.check().map_err(wrong)?;
        Ok(token)
    }

    /// With the key that a node without one of its own joins with.
    #[must_use]
    pub fn with_secret(mut self, secret: SecretKey) -> JoinToken {
        self.secrets.key = Some(secret);
        self
    }

    /// With the network key of the mesh.
    #[must_use]
    pub fn with_network_key(mut self, key: [u8; 32]) -> JoinToken {
        self.secrets.network = Some(key);
        self
    }

    /// Good until then, seconds since 1970.
    #[must_use]
    pub fn until(mut self, expires_s: u64) -> JoinToken {
        self.expires_s = Some(expires_s);
        self
    }

    /// Addresses to dial, at least one.
    pub fn addrs(&self) -> &[String] {
        &self.addrs
    }

    /// Its label.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The key to join with, if it holds one.
    pub fn secret(&self) -> Option<&SecretKey> {
        self.secrets.key.as_ref()
    }

    /// The network key of the mesh, if it holds it.
    pub fn network_key(&self) -> Option<[u8; 32]> {
        self.secrets.network
    }

    /// Its secrets.
    pub fn secrets(&self) -> &JoinSecrets {
        &self.secrets
    }

    /// When it expires, seconds since 1970; `None`: never.
    pub fn expires_s(&self) -> Option<u64> {
        self.expires_s
    }

    /// Whether it is good at `now_s`, seconds since 1970.
    ///
    /// # Errors
    /// It has expired.
    pub fn good_at(&self, now_s: u64) -> Result<(), JoinError> {
        match self.expires_s {
            Some(expires_s) if expires_s <= now_s => Err(wrong(format!(
                "expired at {}: ask for a new one (`flatend invite`)",
                utc_string(expires_s)
            ))),
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.addrs.is_empty() {
            return Err("names no address".to_owned());
        }
        if self.addrs.len() > JOIN_ADDRS_MAX {
            let count = self.addrs.len();
            return Err(format!(
                "names {count} addresses, and at most {JOIN_ADDRS_MAX} are possible"
            ));
        }
        if let Some(addr) = self.addrs.iter().find(|addr| !is_addr(addr)) {
            let shown = addr.escape_debug();
            return Err(format!("names '{shown}', which is no HOST:PORT to dial"));
        }
        if let Some(addr) = self.addrs.iter().find(|addr| is_unspecified(addr)) {
            return Err(format!(
                "names '{addr}', which stands for all addresses of a machine: name the one by which others reach it"
            ));
        }
        match &self.name {
            Some(name) if name.is_empty() || name.len() > JOIN_NAME_BYTES_MAX => Err(format!(
                "has a name of {} bytes; 1 to {JOIN_NAME_BYTES_MAX} are possible",
                name.len()
            )),
            Some(name) if name.chars().any(char::is_control) => {
                Err("has control characters in its name".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// Whether it is an address to listen on, and none to dial.
fn is_unspecified(text: &str) -> bool {
    let (text, _) = text.split_once('#').unwrap_or((text, ""));
    let addr = text.split('#').next().unwrap_or(text);
    let addr = addr.parse::<std::net::SocketAddr>();
    addr.is_ok_and(|addr| addr.ip().to_canonical().is_unspecified())
}

/// `HOST:PORT` or `HOST:PORT#KEY`, with an IPv6 address in brackets and a port that can be dialed. A host's name is left to whoever looks it up.
fn is_addr(text: &str) -> bool {
    let Ok((host, port)) = pinned(text).and_then(|(addr, _)| host_and_port(addr)) else {
        return false;
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_host = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
        None => (1..=253).contains(&host.len()) && host.chars().all(plain),
    };
    is_host && port > 0
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::new();
        if let Some(name) = &self.name {
            text::put_field(&mut bytes, NAME, name.as_bytes());
        }
        for addr in &self.addrs {
            text::put_field(&mut bytes, ADDR, addr.as_bytes());
        }
        if let Some(expires_s) = self.expires_s {
            text::put_field(&mut bytes, EXPIRES, &expires_s.to_be_bytes());
        }
        if let Some(secret) = &self.secrets.key {
            text::put_field(&mut bytes, SECRET, secret.seed());
        }
        if let Some(key) = &self.secrets.network {
            text::put_field(&mut bytes, NETWORK, key);
        }
        let sum = text::checksum(&bytes);
        bytes.extend_from_slice(&sum.to_be_bytes());
        write!(f, "{PREFIX}{}", text::encode(&bytes))
    }
}

impl FromStr for JoinToken {
    type Err = JoinError;

    fn from_str(text: &str) -> Result<JoinToken, JoinError> {
        if text.len() > JOIN_BYTES_MAX {
            return Err(wrong(format!(
                "has {} bytes, and at most {JOIN_BYTES_MAX} are possible",
                text.len()
            )));
        }
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let Some(coded) = text.strip_prefix(PREFIX) else {
            return Err(match text.strip_prefix(FAMILY) {
                Some(_) => wrong("is of a later version: use a newer flatend"),
                None => wrong(format!(
                    "does not begin with '{PREFIX}': copy all of what `flatend invite` printed"
                )),
            });
        };
        let cut = || wrong("is not whole: copy all of what `flatend invite` printed");
        let bytes = text::decode(coded).ok_or_else(cut)?;
        let (fields, sum) = bytes.split_last_chunk::<4>().ok_or_else(cut)?;
        if text::checksum(fields) != u32::from_be_bytes(*sum) {
            return Err(cut());
        }
        let token = read(fields)?;
        token.check().map_err(wrong)?;
        Ok(token)
    }
}

/// The fields of a token whose checksum is right.
fn read(mut fields: &[u8]) -> Result<JoinToken, JoinError> {
    let mut token = JoinToken {
        addrs: Vec::new(),
        name: None,
        secrets: JoinSecrets::default(),
        expires_s: None,
    };
    while !fields.is_empty() {
        let (kind, value, rest) =
            text::take_field(fields).ok_or_else(|| wrong("ends within a field"))?;
        fields = rest;
        let words = || {
            let value =
                std::str::from_utf8(value).map_err(|_| wrong("is not text where it should be"));
            value.map(str::to_owned)
        };
        match kind {
            NAME if token.name.is_some() => return Err(wrong("has two names")),
            NAME => token.name = Some(words()?),
            ADDR => token.addrs.push(words()?),
            EXPIRES if token.expires_s.is_some() => return Err(wrong("expires twice")),
            EXPIRES => token.expires_s = Some(u64::from_be_bytes(exactly(value, "a time")?)),
            SECRET if token.secrets.key.is_some() => return Err(wrong("has two keys")),
            SECRET => token.secrets.key = Some(SecretKey::from_seed(exactly(value, "a key")?)),
            NETWORK if token.secrets.network.is_some() => {
                return Err(wrong("has two network keys"))
            }
            NETWORK => token.secrets.network = Some(exactly(value, "a network key")?),
            kind if kind % 2 == 0 => {
                return Err(wrong(format!(
                    "demands what this version does not know (field {kind}): use a newer flatend"
                )))
            }
            _ => {}
        }
    }
    Ok(token)
}

/// A value of a fixed length.
fn exactly<const BYTES: usize>(value: &[u8], what: &str) -> Result<[u8; BYTES], JoinError> {
    value.try_into().map_err(|_| {
        let len = value.len();
        wrong(format!("has {what} of {len} bytes, and not of {BYTES}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text of these fields with a right checksum.
    fn with(fields: &[(u8, &[u8])]) -> String {
        let mut bytes = Vec::new();
        for (kind, value) in fields {
            text::put_field(&mut bytes, *kind, value);
        }
        let sum = text::checksum(&bytes);
        bytes.extend_from_slice(&sum.to_be_bytes());
        format!("{PREFIX}{}", text::encode(&bytes))
    }

    fn refused(text: &str) -> String {
        text.parse::<JoinToken>().expect_err(text).to_string()
    }

    /// Written down: another version must read it as this one does.
    const GOLDEN: &str =
        "flatend-join-1-AQAGbGFwdG9wAgAUZ2F0ZXdheS5leGFtcGxlOjkwMDACAApbOjoxXTo5MDAxX-zUZA";

    #[test]
    fn golden() {
        let addrs = ["gateway.example:9000", "[::1]:9001"];
        let token = JoinToken::new(addrs, Some("laptop")).expect("it is fine");
        assert_eq!(token.to_string(), GOLDEN);
        assert_eq!(GOLDEN.parse(), Ok(token));
    }

    /// The same with a key and a time, 2026-11-30 17:04:05.
    const GOLDEN_INVITED: &str =
        "flatend-join-1-AgADYToxAwAIAAAAAGsNrIUEACAHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB5osDus";

    #[test]
    fn golden_with_a_key_and_an_expiry() {
        let token = JoinToken::new(["a:1"], None).expect("it is fine");
        let secret = SecretKey::from_seed([7; 32]);
        let token = token.with_secret(secret.clone()).until(1_796_058_245);
        assert_eq!(token.to_string(), GOLDEN_INVITED);
        let read: JoinToken = GOLDEN_INVITED.parse().expect("a token");
        assert_eq!(read, token);
        assert_eq!(
            (read.secret(), read.expires_s()),
            (Some(&secret), Some(1_796_058_245))
        );
        assert!(!format!("{token:?}").contains(&"07".repeat(4)));
    }

    #[test]
    fn the_network_key_travels_and_is_never_shown() {
        let token = JoinToken::new(["a:1"], None).expect("it is fine");
        let token = token.with_network_key([7; 32]);
        let read: JoinToken = token.to_string().parse().expect("a token");
        assert_eq!(read.network_key(), Some([7; 32]));
        assert_eq!(read, token);
        let shown = format!("{token:?}");
        assert!(
            !shown.contains("7, 7") && !shown.contains("0707"),
            "{shown}"
        );
        let addr: (u8, &[u8]) = (ADDR, b"a:1");
        let short = with(&[addr, (NETWORK, &[7; 31])]);
        assert!(refused(&short).contains("a network key of 31 bytes"));
        let twice = with(&[addr, (NETWORK, &[7; 32]), (NETWORK, &[7; 32])]);
        assert!(refused(&twice).contains("two network keys"));
    }

    #[test]
    fn a_token_is_good_until_its_time_and_no_second_longer() {
        let token = JoinToken::new(["a:1"], None).expect("it is fine");
        assert_eq!(token.good_at(u64::MAX), Ok(()), "it has no time");
        let token = token.until(1_796_058_245);
        assert_eq!(token.good_at(1_796_058_244), Ok(()));
        let error = token.good_at(1_796_058_245).expect_err("expired");
        assert!(
            error
                .to_string()
                .contains("expired at 2026-11-30 17:04:05 UTC"),
            "{error}"
        );
    }

    #[test]
    fn a_copy_that_is_cut_changed_or_broken_into_lines() {
        for end in 0..GOLDEN.len() {
            let why = refused(&GOLDEN[..end]);
            assert!(
                why.contains("flatend invite") || why.contains("later"),
                "{end}: {why}"
            );
        }
        for at in PREFIX.len()..GOLDEN.len() {
            let mut bytes = GOLDEN.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(bytes).expect("it is ASCII");
            assert!(refused(&text).contains("not whole"), "{at}");
        }
        let lines = format!("  {}\r\n {}\n", &GOLDEN[..30], &GOLDEN[30..]);
        assert!(lines.parse::<JoinToken>().is_ok());
        assert!(refused("hello").contains("does not begin"));
        assert!(refused(&GOLDEN.replace("join-1", "join-2")).contains("later version"));
        assert!(refused(&"x".repeat(JOIN_BYTES_MAX + 1)).contains("at most"));
    }

    #[test]
    fn odd_kinds_are_skipped_and_even_ones_refuse_the_token() {
        let addr: (u8, &[u8]) = (ADDR, b"a:1");
        let skipped = with(&[(77, b"later"), addr]);
        assert!(skipped.parse::<JoinToken>().is_ok());
        assert!(refused(&with(&[(78, b"later"), addr])).contains("field 78"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(refused(&with(&[])).contains("no address"));
        assert!(refused(&with(&[(ADDR, b"\xff")])).contains("not text"));
        let names: [(u8, &[u8]); 2] = [(NAME, b"a"), (NAME, b"b")];
        assert!(refused(&with(&names)).contains("two names"));
        let (addr, seed, time) = ((ADDR, &b"a:1"[..]), [1; 32], [1; 8]);
        for (fields, why) in [
            ([addr, (SECRET, &seed[..31]), addr], "a key of 31 bytes"),
            ([addr, (SECRET, &seed), (SECRET, &seed)], "two keys"),
            ([addr, (EXPIRES, &time[..7]), addr], "a time of 7 bytes"),
            ([addr, (EXPIRES, &time), (EXPIRES, &time)], "twice"),
        ] {
            assert!(refused(&with(&fields)).contains(why), "{why}");
        }
        for addr in [
            "",
            "a",
            "a:",
            "a:0",
            "a:65536",
            ":1",
            "::1:9000",
            "a b:1",
            "a:+1",
            "[x]:1",
            "a:1#",
            "0.0.0.0:1",
            "[::]:1",
        ] {
            assert!(JoinToken::new([addr], None).is_err(), "{addr}");
        }
        let pinned = format!("0.0.0.0:1#{}", "07".repeat(32));
        let error = JoinToken::new([pinned], None).expect_err("nobody can dial it");
        assert!(error.to_string().contains("all addresses"), "{error}");
        for addr in ["a:1", "10.0.0.1:65535", "[::1]:9000", "a-b.example_c:9"] {
            assert!(JoinToken::new([addr], None).is_ok(), "{addr}");
        }
        assert!(JoinToken::new(vec!["a:1"; JOIN_ADDRS_MAX], None).is_ok());
        assert!(JoinToken::new(vec!["a:1"; JOIN_ADDRS_MAX + 1], None).is_err());
        let name = "n".repeat(JOIN_NAME_BYTES_MAX);
        assert!(JoinToken::new(["a:1"], Some(&name)).is_ok());
        for name in ["", "\n", &format!("{name}n")] {
            assert!(JoinToken::new(["a:1"], Some(name)).is_err());
        }
    }

    #[test]
    fn the_largest_token_fits_the_limit() {
        let host = "h".repeat(253);
        let addr = format!("{host}:65535#{}", "07".repeat(32));
        let addrs = vec![addr; JOIN_ADDRS_MAX];
        let token = JoinToken::new(addrs, Some(&"n".repeat(JOIN_NAME_BYTES_MAX)));
        let token = token.expect("it is fine").until(u64::MAX);
        let token = token.with_secret(SecretKey::from_seed([1; 32]));
        let text = token.with_network_key([1; 32]).to_string();
        assert!(text.len() <= JOIN_BYTES_MAX, "{}", text.len());
        assert!(text.parse::<JoinToken>().is_ok());
    }
}
