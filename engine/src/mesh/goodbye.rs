//! A peer on flatend/2 says goodbye: no request goes to it any more, which the codec sees to, and it ends the link itself when its
//! own work is done. Here is what is remembered of it, and when it is dialed again: who goes, after the usual pause from the end of
//! the link on; who restarts, at once.

use std::rc::Rc;

use flatend_codec::GoodbyeCode;

use super::core::Down;
use super::driver::Progress;
use super::link::{CloseReason, Link};
use super::steer::News;
use crate::limits::{GOODBYE_REASON_CHARS_MAX, REDIAL_FIRST_MS};
use crate::rt;
use crate::shard::Shard;

/// The peer has said goodbye.
pub(super) fn heard(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    progress: &mut Progress,
    code: GoodbyeCode,
    reason: &str,
) {
    *link.farewell.borrow_mut() = Some(words(code, reason).into());
    // Its address leads to its successor. One that restarts all the time is dialed no more often than one that is lost all the time.
    let old = progress
        .since
        .is_some_and(|since| rt::now().0.saturating_sub(since.0) >= REDIAL_FIRST_MS);
    if code == GoodbyeCode::Restart && old {
        tell_down(shard, link, progress, Down::Renewed);
    }
}

/// Tells the mesh core once that a link has ended, or is as good as that.
pub(super) fn tell_down(shard: &Shard, link: &Link, progress: &mut Progress, how: Down) {
    if progress.since.take().is_some() {
        let link = link.at;
        shard.shared.registry.tell(News::Down { link, how });
    }
}

/// Why a link has ended: a FIN after a goodbye is that goodbye.
pub(super) fn reason(link: &Link, reason: CloseReason) -> CloseReason {
    match (reason, link.farewell.take()) {
        (CloseReason::PeerLeft, Some(words)) => CloseReason::Goodbye(words.into()),
        (reason, _) => reason,
    }
}

fn words(code: GoodbyeCode, reason: &str) -> String {
    let meaning = match code {
        GoodbyeCode::Drain => "it takes no more requests",
        GoodbyeCode::Restart => "it restarts",
        GoodbyeCode::Protocol => "it says that this node broke the protocol",
        GoodbyeCode::Key => "it does not welcome this node's key",
    };
    let shown: String = reason.chars().take(GOODBYE_REASON_CHARS_MAX).collect();
    match shown.is_empty() {
        true => format!("it said goodbye: {meaning}"),
        false => format!("it said goodbye: {meaning} (\"{}\")", shown.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_peer_are_quoted_and_cut() {
        let said = words(GoodbyeCode::Drain, "this node\nshuts down");
        assert_eq!(
            said,
            r#"it said goodbye: it takes no more requests ("this node\nshuts down")"#
        );
        assert_eq!(
            words(GoodbyeCode::Restart, ""),
            "it said goodbye: it restarts"
        );
        let long = words(GoodbyeCode::Key, &"ü".repeat(GOODBYE_REASON_CHARS_MAX + 1));
        assert_eq!(long.matches('ü').count(), GOODBYE_REASON_CHARS_MAX);
    }
}
