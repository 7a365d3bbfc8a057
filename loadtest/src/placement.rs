//! Where and in which order things run.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use serde::Serialize;

/// The two cores of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cores {
    /// For the proxy under test alone.
    pub proxy: usize,
    /// For the client and for the server behind the proxy.
    pub others: usize,
}

impl Cores {
    /// The first two of the allowed ones.
    ///
    /// # Errors
    /// There is only one.
    pub fn choose(allowed: &[usize]) -> Result<Cores, String> {
        match *allowed {
            [proxy, others, ..] => Ok(Cores { proxy, others }),
            _ => Err(
                "two cores are needed: one for the proxy, one for client and server; this process may use one"
                    .to_owned(),
            ),
        }
    }
}

/// The order of `subjects` in a round: turned round every time, so that none always runs first.
pub fn order(subjects: usize, round: u32) -> impl Iterator<Item = usize> {
    let backwards = round % 2 == 1;
    (0..subjects).map(move |at| if backwards { subjects - 1 - at } else { at })
}

/// `N` different loopback addresses that are free now.
///
/// # Errors
/// The system has no port to give.
pub fn free_addrs<const N: usize>() -> Result<[SocketAddr; N], String> {
    let refused = |error| format!("cannot find a free port: {error}");
    // All are held until all are known, so that no two are the same.
    let mut held = Vec::with_capacity(N);
    let mut addrs = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for addr in &mut addrs {
        let listener = TcpListener::bind(*addr).map_err(refused)?;
        *addr = listener.local_addr().map_err(refused)?;
        held.push(listener);
    }
    Ok(addrs)
}

/// The directory for configurations and logs.
///
/// # Errors
/// It cannot be made.
pub fn directory(given: Option<&Path>) -> Result<PathBuf, String> {
    let dir = given.map_or_else(
        || env::temp_dir().join(format!("flatend-loadtest-{}", std::process::id())),
        Path::to_owned,
    );
    // Absolute: what we start may run elsewhere.
    fs::create_dir_all(&dir)
        .and_then(|()| dir.canonicalize())
        .map_err(|error| format!("cannot make {}: {error}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cores_are_needed() {
        let cores = Cores {
            proxy: 2,
            others: 5,
        };
        assert_eq!(Cores::choose(&[2, 5, 7]), Ok(cores));
        assert!(Cores::choose(&[2]).is_err() && Cores::choose(&[]).is_err());
    }

    #[test]
    fn rounds_take_turns() {
        let order = |round| order(3, round).collect::<Vec<_>>();
        assert_eq!(order(0), [0, 1, 2]);
        assert_eq!(order(1), [2, 1, 0]);
        assert_eq!(order(2), [0, 1, 2]);
    }

    #[test]
    fn free_addresses_differ() {
        let [a, b, c] = free_addrs::<3>().unwrap();
        assert!(a != b && b != c && a != c && a.port() != 0);
    }
}
