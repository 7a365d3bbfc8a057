//! Join tokens: all that a service needs to find its mesh, in one string that survives a chat window. Pure: text to values and
//! back. Owns the form and its rules ([`JoinToken`]); dials nothing. The invariants that a change is likeliest to break: a token that
//! this version does not understand whole is refused with a sentence, never used in part; and a message never shows its secret.

#[cfg(test)]
mod tests;
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
