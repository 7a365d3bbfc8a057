//! TCP congestion control by connection: which algorithm decides how fast a socket sends (tcp(7), `TCP_CONGESTION`).

use std::fmt;
use std::io;
use std::os::fd::AsFd;

use rustix::io::Errno;
use socket2::{Domain, SockRef, Type};

use super::words::io_words;

/// An algorithm that this process may use, such as `cubic`, `bbr` or `reno`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Congestion(String);

/// Why an algorithm cannot be used; the text says what to do.
#[derive(Debug)]
pub enum CongestionError {
    /// The system has none of this name, and no module for it that it may load.
    Unknown,
    /// The system has it, but not for this process.
    Forbidden,
    /// No socket could be made to try it on, or the system said something else.
    Io(io::Error),
}

impl fmt::Display for CongestionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CongestionError::Unknown => f.write_str("which this system does not have: write one that `sysctl net.ipv4.tcp_available_congestion_control` shows, or load its module (`modprobe tcp_NAME`)"),
            CongestionError::Forbidden => f.write_str("which this process may not use: write one that `sysctl net.ipv4.tcp_allowed_congestion_control` shows, add it there, or grant CAP_NET_ADMIN"),
            CongestionError::Io(error) => write!(f, "which cannot be tried: {}", io_words(error)),
        }
    }
}

impl std::error::Error for CongestionError {}

impl Congestion {
    /// The algorithm of this name, tried on a socket that is closed again.
    ///
    /// # Errors
    /// [`CongestionError`].
    pub fn named(name: &str) -> Result<Congestion, CongestionError> {
        let congestion = Congestion(name.to_owned());
        let trial = socket2::Socket::new(Domain::IPV4, Type::STREAM.cloexec(), None)
            .map_err(CongestionError::Io)?;
        match congestion.set(&trial) {
            Ok(()) => Ok(congestion),
            Err(error) => Err(match error.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::NOENT) => CongestionError::Unknown,
                Some(Errno::PERM) => CongestionError::Forbidden,
                _ => CongestionError::Io(error),
            }),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Has a socket use it; what a listener accepts inherits it.
    pub(super) fn set(&self, socket: &impl AsFd) -> io::Result<()> {
        // Of others the kernel would read a part: 15 bytes, and up to a zero.
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let length = 1..=NAME_BYTES_MAX;
        if !length.contains(&self.0.len()) || !self.0.bytes().all(is_name) {
            return Err(Errno::NOENT.into());
        }
        SockRef::from(socket).set_tcp_congestion(self.0.as_bytes())
    }
}

/// `TCP_CA_NAME_MAX` without the zero behind it.
const NAME_BYTES_MAX: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_every_system_has_is_taken_and_others_are_named_as_what_they_are() {
        let reno = Congestion::named("reno").expect("every Linux has reno");
        assert_eq!(reno.name(), "reno");
        for odd in ["", "no_such", "reno_and_something_longer", "reno\0"] {
            let error = Congestion::named(odd).expect_err(odd);
            assert!(
                matches!(error, CongestionError::Unknown),
                "{odd:?}: {error}"
            );
        }
    }
}
