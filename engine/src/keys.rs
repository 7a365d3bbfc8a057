//! Key files: made, checked, loaded, for nodes of the SDK and for the gateway.
//!
//! Owns the file format (hex digits and a newline: 64 for a seed or a network key, 128 for a seed with its public
//! key, as the seed's SDKs hold it) and the mode of what it writes (0600, never over an existing file). Refuses a
//! secret that others can read. The invariant that a change is likeliest to break: no secret ever stands in a
//! message, a `Debug` output or a log line.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;

use crate::hex;
use crate::limits::KEY_FILE_BYTES_MAX;
use crate::rt::io_words;

/// What a key file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An Ed25519 secret: 64 hex digits (seed) or 128 (seed and public key).
    Secret,
    /// A network key: 64 hex digits (flatend2.md).
    Network,
}

/// A node's secret: the 32-byte Ed25519 seed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// A fresh one from the system's random source.
    ///
    /// # Errors
    /// The system has no random numbers to give.
    pub fn generate() -> Result<SecretKey, KeyError> {
        random_bytes().map(SecretKey)
    }

    /// The secret of this seed.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> SecretKey {
        SecretKey(seed)
    }

    /// The seed's bytes, for the mesh session.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public key that peers know the node by.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        SigningKey::from_bytes(&self.0).verifying_key().to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", hex::encode(&self.public()))
    }
}

/// What is wrong with a key file. The text follows the file's name.
#[derive(Debug)]
pub enum KeyError {
    /// There is no such file.
    Missing(Kind),
    /// A key is not written over a file that exists.
    Exists,
    /// The file cannot be read, written or made.
    Io(io::Error),
    /// The mode lets others read or write the file.
    Mode(u32),
    /// Not the digits of a key of this kind.
    Digits(Kind),
    /// 128 digits whose second half is not the public key of the first.
    Halves,
    /// The system gave no random numbers.
    Random,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::Missing(Kind::Secret) => f.write_str("which does not exist: make it with `flatend keygen FILE`"),
            KeyError::Missing(Kind::Network) => {
                f.write_str("which does not exist: make it with `flatend keygen --network FILE`")
            }
            KeyError::Exists => {
                f.write_str("which exists and is not written over: name another file, or move that one away")
            }
            KeyError::Io(error) => write!(f, "which cannot be used: {}", io_words(error)),
            KeyError::Mode(mode) => {
                write!(f, "which others may read or write (mode {mode:04o}): run `chmod 600` on it")
            }
            KeyError::Digits(Kind::Secret) => {
                f.write_str("which does not hold 64 or 128 hex digits: make a key file with `flatend keygen FILE`")
            }
            KeyError::Digits(Kind::Network) => {
                f.write_str("which does not hold 64 hex digits: make a key file with `flatend keygen --network FILE`")
            }
            KeyError::Halves => f.write_str(
                "whose last 64 digits are not the public key of the first 64: restore the file, or make one with `flatend keygen FILE`",
            ),
            KeyError::Random => f.write_str("for which the system gave no random numbers: try again"),
        }
    }
}

impl std::error::Error for KeyError {}

/// Checks that `path` would be accepted as a key file of `kind`.
///
/// # Errors
/// See [`KeyError`].
pub fn check_file(path: &Path, kind: Kind) -> Result<(), KeyError> {
    read_file(path, kind).map(drop)
}

/// Loads a secret key.
///
/// # Errors
/// See [`KeyError`].
pub fn load_secret(path: &Path) -> Result<SecretKey, KeyError> {
    read_file(path, Kind::Secret).map(SecretKey)
}

/// Loads a network key.
///
/// # Errors
/// See [`KeyError`].
pub fn load_network(path: &Path) -> Result<[u8; 32], KeyError> {
    read_file(path, Kind::Network)
}

/// Makes a secret key and writes it to `path`, which must not exist: 128 hex digits, mode 0600.
///
/// # Errors
/// See [`KeyError`].
pub fn make_secret(path: &Path) -> Result<SecretKey, KeyError> {
    let secret = SecretKey::generate()?;
    write_new(path, &secret_digits(&secret))?;
    Ok(secret)
}

/// Makes a network key and writes it to `path`, which must not exist: 64 hex digits, mode 0600.
///
/// # Errors
/// See [`KeyError`].
pub fn make_network(path: &Path) -> Result<(), KeyError> {
    write_new(path, &hex::encode(&random_bytes()?))
}

/// Loads a secret key; makes the file if it is not there, in a directory that is. The second value: whether it was made.
///
/// # Errors
/// See [`KeyError`].
pub fn load_or_make_secret(path: &Path) -> Result<(SecretKey, bool), KeyError> {
    match load_secret(path) {
        Err(KeyError::Missing(_)) => {}
        loaded => return loaded.map(|secret| (secret, false)),
    }
    match make_secret(path) {
        // Another process of ours was faster: its key is the node's.
        Err(KeyError::Exists) => load_secret(path).map(|secret| (secret, false)),
        made => made.map(|secret| (secret, true)),
    }
}

fn read_file(path: &Path, kind: Kind) -> Result<[u8; 32], KeyError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => KeyError::Missing(kind),
        _ => KeyError::Io(error),
    })?;
    let metadata = file.metadata().map_err(KeyError::Io)?;
    if !metadata.is_file() {
        return Err(KeyError::Io(io::Error::other("it is not a regular file")));
    }
    // Readers in the file's group are common with secret mounts of container platforms; all others are not.
    let mode = metadata.mode() & 0o7777;
    if mode & 0o037 != 0 {
        return Err(KeyError::Mode(mode));
    }
    let mut text = String::new();
    match file.take(KEY_FILE_BYTES_MAX + 1).read_to_string(&mut text) {
        Ok(_) => parse_digits(text.trim(), kind),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(KeyError::Digits(kind)),
        Err(error) => Err(KeyError::Io(error)),
    }
}

fn parse_digits(digits: &str, kind: Kind) -> Result<[u8; 32], KeyError> {
    if let Some(key) = hex::decode::<32>(digits) {
        return Ok(key);
    }
    match (kind, hex::decode::<64>(digits)) {
        (Kind::Secret, Some(both)) => {
            let mut seed = [0; 32];
            seed.copy_from_slice(&both[..32]);
            let secret = SecretKey(seed);
            if secret.public() == both[32..] {
                Ok(secret.0)
            } else {
                Err(KeyError::Halves)
            }
        }
        _ => Err(KeyError::Digits(kind)),
    }
}

fn secret_digits(secret: &SecretKey) -> String {
    hex::encode(secret.seed()) + &hex::encode(&secret.public())
}

/// Writes a key file whole or not at all: under another name first, then linked to its own, which fails if that
/// exists. Two processes that start at once never read half a key.
fn write_new(path: &Path, digits: &str) -> Result<(), KeyError> {
    if path.symlink_metadata().is_ok() {
        return Err(KeyError::Exists);
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.tmp", hex::encode(&random_bytes()?[..8])));
    let draft = PathBuf::from(draft);
    let linked = create_private(&draft, digits).and_then(|()| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(KeyError::Exists),
        linked => linked.map_err(KeyError::Io),
    }
}

fn create_private(path: &Path, digits: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(format!("{digits}\n").as_bytes())?;
    file.sync_all()
}

fn random_bytes() -> Result<[u8; 32], KeyError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| KeyError::Random)?;
    Ok(bytes)
}
