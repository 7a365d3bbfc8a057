//! What an accept loop does when the system gives no connection: it rests, and says so now and then. Out of descriptors is out
//! of descriptors for a while; a line for each try would bury the reason.

use std::io;

use flatend_codec::Millis;

use super::limits::{ACCEPT_REST_MS, ACCEPT_TELL_EVERY_MS};
use super::reactor::now;
use super::timer::sleep;

/// Of one accept loop.
#[derive(Debug, Default)]
pub struct AcceptRest {
    tell_after: Option<Millis>,
}

impl AcceptRest {
    /// Rests after `error`; `tell` gets a sentence about `what` (such as "HTTP connections"), if none was told within 10 s.
    pub async fn after(&mut self, error: &io::Error, what: &str, tell: impl FnOnce(String)) {
        let now = now();
        if self.tell_after.is_none_or(|after| now >= after) {
            self.tell_after = Some(Millis(now.0 + ACCEPT_TELL_EVERY_MS));
            tell(sentence(error, what));
        }
        sleep(ACCEPT_REST_MS).await;
    }
}

fn sentence(error: &io::Error, what: &str) -> String {
    use rustix::io::Errno;
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE) => format!("cannot accept {what}: this process has as many open files as its limit allows; raise it (ulimit -n, or LimitNOFILE= in systemd)"),
        Some(Errno::NFILE) => format!("cannot accept {what}: the whole system is out of open files; raise fs.file-max"),
        Some(Errno::NOBUFS | Errno::NOMEM) => format!("cannot accept {what}: the system is out of memory"),
        _ => format!("cannot accept {what}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_which_limit_and_what_to_do() {
        let of = |errno: rustix::io::Errno| {
            sentence(&io::Error::from_raw_os_error(errno.raw_os_error()), "links")
        };
        assert!(of(rustix::io::Errno::MFILE).ends_with("(ulimit -n, or LimitNOFILE= in systemd)"));
        assert!(of(rustix::io::Errno::NFILE).ends_with("raise fs.file-max"));
        assert!(of(rustix::io::Errno::PERM).starts_with("cannot accept links: "));
    }
}
