//! The task of a link: waits, reads, opens frames, hands events on, keeps the deadlines, and ends the link properly.
//! Everything that a peer can do wrong ends here as a [`CloseReason`], never as a panic.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::task::Poll;

use bytes::BytesMut;
use flatend_codec::{Millis, ProtocolError, Retirement};
use futures_lite::FutureExt;

use super::buffer::BufferSize;
use super::coalesce::Coalesce;
use super::core::Down;
use super::dial::Dialing;
use super::link::{park_task, CloseReason, Link};
use super::reader::{read, resume, Read};
use super::{announce, dial, events, goodbye, handover, lanes, mistaken, unverified, welcome};
use crate::error::Fault;
use crate::limits::{
    COALESCE_MS, FIN_DISCARD_BYTES_MAX, FIN_WAIT_MS, FRAME_WAIT_MS, LINK_TURN_BYTES_MAX,
    STALL_CHECK_MS, UNVERIFIED_GRACE_MS,
};
use crate::rt::{self, Timer};
use crate::shard::Shard;

/// What the task was woken for.
enum Wake {
    Close(CloseReason),
    Deadline,
    Poked,
    StallCheck,
    FrameLate,
    Renewal,
    Readable,
}

/// What the engine knows of a link beside the codec's own state.
pub(crate) struct Progress {
    pub(crate) handshaked: bool,
    /// The peer has shaken hands again, with these services.
    pub(crate) reprobed: bool,
    pub(crate) services: Vec<String>,
    pub(crate) announced_ready: bool,
    pub(crate) announced_retiring: bool,
    pub(crate) dialed: bool,
    /// When the mesh core was told of the link, until it is told of its end.
    pub(crate) since: Option<Millis>,
    /// Its first bytes were those of a peer.
    pub(crate) begun: bool,
    /// The dial that led here, until its end is told.
    pub(crate) dialing: Option<Box<Dialing>>,
    /// Which of the links to its process it is; known with the handshake.
    pub(crate) lane: u16,
    /// It is on the shard that it belongs to.
    pub(crate) placed: bool,
    /// The shard that it goes to.
    pub(crate) moves_to: Option<usize>,
    /// The mesh core knows that requests pass.
    pub(crate) told_work: bool,
}

/// How the reading of a link ends.
enum End {
    Closed(CloseReason),
    /// It belongs to another shard.
    Moves(usize),
}

/// Begins the task of a link, which runs it until it ends, or has gone to the shard that it belongs to. The link is registered with the
/// shard while it runs. `dialing`: the dial that led to it. `tell`: what was dialed, if the log is to hear of it when no node answers
/// there. `unread`: what was read of it already.
///
/// What the task holds is memory of each link. So all that it needs is captured here and borrowed from then on (an argument of an
/// `async fn` is held twice), and what comes at the end alone is boxed.
pub(crate) fn start(
    shard: &Rc<Shard>,
    mut link: Rc<Link>,
    dialing: Option<Box<Dialing>>,
    tell: Option<Box<str>>,
    mut unread: BytesMut,
) {
    let alive = Alive::new(shard);
    let mut progress = Progress {
        handshaked: false,
        reprobed: false,
        services: Vec::new(),
        announced_ready: false,
        announced_retiring: false,
        dialed: dialing.is_some(),
        since: None,
        lane: dialing.as_ref().map_or(0, |dialing| dialing.lane),
        placed: dialing.is_some() || shard.count() == 1,
        moves_to: None,
        told_work: false,
        // Whoever listens where we dial is no client, nor who has come here from another shard.
        begun: dialing.is_some() || link.is_flatend2(),
        dialing,
    };
    rt::spawn(async move {
        let shard = &alive.0;
        begin(shard, &link);
        let reason = loop {
            shard.links.borrow_mut().insert(link.at.id, link.clone());
            // A fault of our own ends this link alone, and properly: one that stayed in the tables would get requests for ever.
            let driven = AssertUnwindSafe(drive(shard, &link, &mut progress, &mut unread));
            let to = match driven.catch_unwind().await {
                Ok(End::Closed(reason)) => break reason,
                Ok(End::Moves(to)) => to,
                Err(panic) => {
                    rt::report_panic(panic.as_ref());
                    let what = "a panic in the link's task";
                    break CloseReason::Broken(what.to_owned());
                }
            };
            unverified::forget(&link);
            shard.links.borrow_mut().remove(&link.at.id);
            // Where it cannot go it stays: it works here too.
            match handover::send_off(shard, link, std::mem::take(&mut unread), to) {
                Ok(()) => return,
                Err(stays) => (link, unread) = stays,
            }
        };
        Box::pin(end(shard, &link, &mut progress, reason, tell.as_deref())).await;
    });
}

fn begin(shard: &Rc<Shard>, link: &Rc<Link>) {
    if shard.draining().is_set() {
        // It came in the very turn of the drain: nobody would say goodbye to it any more.
        link.close(CloseReason::Drained);
    }
    announce::check_list(shard, link);
    // A dialer speaks first.
    link.flush();
    link.rearm();
}

/// Tells everybody who knows of the link, and ends it.
async fn end(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    progress: &mut Progress,
    reason: CloseReason,
    tell: Option<&str>,
) {
    let reason = goodbye::reason(link, reason);
    shard.shared.registry.withdraw(link.at);
    link.lose(&reason);
    shard.look_at_work();
    match progress.dialing.take() {
        Some(dialing) if reason == CloseReason::Ourselves => dialing.met_ourselves(),
        dialing => drop(dialing),
    }
    let how = match reason {
        CloseReason::Renewed | CloseReason::Retired => Down::Renewed,
        _ => Down::Lost,
    };
    goodbye::tell_down(shard, link, progress, how);
    shard.links.borrow_mut().remove(&link.at.id);
    events::report_end(shard, link, progress, &reason);
    farewell(link, &reason).await;
    let met = link.conn.borrow().peer().is_some();
    if let (Some(to), CloseReason::Broken(what), false) = (tell, &reason, met) {
        // What the first dial of an address found there that was no node.
        dial::tell_trouble(shard, to, what);
    }
}

/// Counts a link's task, however it ends.
struct Alive(Rc<Shard>);

impl Alive {
    fn new(shard: &Rc<Shard>) -> Alive {
        shard.live_links.set(shard.live_links.get() + 1);
        Alive(shard.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.live_links.set(self.0.live_links.get() - 1);
        self.0.link_gone.wake_all();
    }
}

async fn drive(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    progress: &mut Progress,
    buffer: &mut BytesMut,
) -> End {
    let mut size = BufferSize::default();
    let frame_timer = Timer::new();
    let stall_check = Timer::new();
    let (mut coalesce, next_read) = (Coalesce::default(), Timer::new());
    let mut reading = true;
    let mut result = resume(shard, link, progress, buffer, &mut size);
    loop {
        // A frame that has begun holds memory; it must not do so for ever.
        match size.frame_begun {
            true if !frame_timer.is_set() => frame_timer.set_after(FRAME_WAIT_MS),
            true => {}
            false => frame_timer.clear(),
        }
        if let (Ok(()), Some(to)) = (&result, progress.moves_to.take()) {
            return End::Moves(to);
        }
        if let Err(reason) = result.and_then(|()| check_state(shard, link, progress)) {
            return End::Closed(reason);
        }
        let wake = std::future::poll_fn(|cx| {
            if let Some(reason) = link.closing.borrow().as_deref() {
                return Poll::Ready(Wake::Close(reason.clone()));
            }
            park_task(link, cx);
            while link.write_blocked.get() && link.socket.poll_writable(cx).is_ready() {
                link.unblock();
            }
            if link.poked.replace(false) {
                return Poll::Ready(Wake::Poked);
            }
            if link.deadline.poll(cx).is_ready() {
                return Poll::Ready(Wake::Deadline);
            }
            // These two are set by this task alone.
            if !link.renewal.is_idle() && link.renewal.poll(cx).is_ready() {
                return Poll::Ready(Wake::Renewal);
            }
            let pause = link.streams.is_paused();
            if pause == reading {
                reading = !pause;
                link.conn.borrow_mut().set_reading(rt::now(), reading);
                link.rearm();
                if pause {
                    stall_check.set_after(STALL_CHECK_MS);
                } else {
                    stall_check.clear();
                }
            }
            if !reading {
                // The peer is not to blame for a frame that we do not read.
                frame_timer.clear();
                return stall_check.poll(cx).map(|()| Wake::StallCheck);
            }
            if !frame_timer.is_idle() && frame_timer.poll(cx).is_ready() {
                return Poll::Ready(Wake::FrameLate);
            }
            if coalesce.is_paused() {
                std::task::ready!(next_read.poll(cx));
            }
            link.socket.poll_readable(cx).map(|()| Wake::Readable)
        })
        .await;
        result = match wake {
            Wake::Close(reason) => return End::Closed(reason),
            Wake::Deadline => on_deadline(shard, link, progress),
            Wake::Poked => Ok(()),
            Wake::Renewal => {
                announce::renew(link);
                Ok(())
            }
            Wake::StallCheck => {
                link.streams.lend(rt::now());
                give_up_stalled(link);
                stall_check.set_after(STALL_CHECK_MS);
                Ok(())
            }
            Wake::FrameLate => Err(CloseReason::Fault(format!(
                "a frame was begun and not finished within {} s",
                FRAME_WAIT_MS / 1000
            ))),
            Wake::Readable => {
                let mut came = 0;
                let read = loop {
                    match read(shard, link, progress, buffer, &mut size) {
                        Ok(Read::All(bytes)) => break Ok(came + bytes),
                        Ok(Read::Enough) => {
                            came += LINK_TURN_BYTES_MAX;
                            rt::yield_now().await;
                        }
                        Err(reason) => break Err(reason),
                    }
                };
                read.map(|bytes| {
                    let conn = link.conn.borrow();
                    let quick = conn.dialect().quick_ack;
                    if quick && coalesce.note_read(rt::now(), bytes, conn.bytes_queued()) {
                        next_read.set_after(COALESCE_MS);
                    }
                })
            }
        };
    }
}

pub(super) fn poll_events(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    progress: &mut Progress,
) -> Result<(), CloseReason> {
    loop {
        let event = link.conn.borrow_mut().poll_event();
        match event {
            None => return Ok(()),
            Some(event) => events::handle(shard, link, progress, event)?,
        }
    }
}

fn on_deadline(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    progress: &mut Progress,
) -> Result<(), CloseReason> {
    link.deadline.clear();
    link.conn
        .borrow_mut()
        .handle_timeout(rt::now())
        .map_err(fault)?;
    if link.conn.borrow().is_at_rest() {
        link.rest();
    }
    poll_events(shard, link, progress)
}

/// Looks at what changed in the codec's state, announces it, and flushes what it wants to say.
fn check_state(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    progress: &mut Progress,
) -> Result<(), CloseReason> {
    announce::bring_up_to_date(shard, link);
    lanes::note_work(shard, link, progress);
    welcome::review(shard, link, progress)?;
    let (ready, retirement, open) = {
        let conn = link.conn.borrow();
        (conn.is_ready(), conn.retirement(), conn.open_streams())
    };
    link.note_open();
    let retiring = link.is_retiring();
    if progress.handshaked
        && (ready != progress.announced_ready || retiring != progress.announced_retiring)
    {
        events::note_ready(shard, link, progress, ready);
        progress.announced_retiring = retiring;
        lanes::note_leaving(shard, link, progress);
        events::announce(shard, link, progress);
    }
    if retirement == Retirement::Dead {
        return Err(CloseReason::Retired);
    }
    if open == 0 && link.ends_when_idle() {
        return Err(if shard.draining().is_set() {
            CloseReason::Drained
        } else if link.superseded.get() {
            CloseReason::Superseded
        } else if link.renewing.get() {
            CloseReason::Renewed
        } else {
            CloseReason::Retired
        });
    }
    if link.conn.borrow().queued_bytes() > 0 {
        link.cork();
    } else {
        link.rearm();
    }
    Ok(())
}

fn give_up_stalled(link: &Rc<Link>) {
    for stream in link.streams.stalled(rt::now()) {
        link.streams.fail(stream, Fault::Stalled);
        link.reset(
            stream,
            flatend_codec::ResetCode::Limit,
            "the reader took nothing for 10 s",
        );
    }
}

pub(super) fn fault(err: flatend_codec::ProtocolError) -> CloseReason {
    match err {
        // No rule was broken: its machine or the way to it is gone, and what was asked there may be asked elsewhere.
        ProtocolError::PeerSilent { .. } => CloseReason::Silent(err.to_string()),
        err => CloseReason::Fault(err.to_string()),
    }
}

/// Ends the TCP connection: what is queued leaves if the end is peaceful, then FIN, then the peer's FIN is awaited.
async fn farewell(link: &Rc<Link>, reason: &CloseReason) {
    unverified::forget(link);
    if *reason == CloseReason::Drained && link.takes_nothing() {
        // Neither the rest nor a FIN would reach it: the drain has waited for it already.
        return;
    }
    if matches!(
        reason,
        CloseReason::Retired
            | CloseReason::Renewed
            | CloseReason::Superseded
            | CloseReason::Unwelcome(_)
            | CloseReason::Drained
            | CloseReason::PeerLeft
            | CloseReason::Goodbye(_)
            | CloseReason::Ourselves
            | CloseReason::Elsewhere
            | CloseReason::Http
    ) {
        let rest = match reason {
            CloseReason::Http => mistaken::answer(),
            _ => link.unsent(),
        };
        // A peer that takes nothing loses the rest, after the same wait as for its FIN.
        rt::timeout(FIN_WAIT_MS, link.socket.send_all(&rest))
            .await
            .map(|sent| sent.ok())
            .ok();
    }
    link.socket.shutdown_write();
    let has_ended = matches!(
        reason,
        CloseReason::PeerLeft | CloseReason::Goodbye(_) | CloseReason::Broken(_)
    );
    if !has_ended {
        let wait_ms = match reason {
            // One of many that say nothing: what waits for its FIN is bounded as they are.
            CloseReason::Crowded => UNVERIFIED_GRACE_MS,
            _ => FIN_WAIT_MS,
        };
        link.socket
            .discard_until_fin(wait_ms, FIN_DISCARD_BYTES_MAX)
            .await;
    }
}
