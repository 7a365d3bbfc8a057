//! One HTTP connection: follows [`Next`] with a socket, a read buffer, an output queue and two timers. The handler's view
//! of a request is [`Exchange`].

use std::io;
use std::rc::Rc;
use std::task::Poll;

use bytes::Buf;
use flatend::rt;

use super::accept::Server;
use super::exchange::Exchange;
use super::io::Io;
use super::linger;
use super::record::{End, Notes};
use super::{Handler, OwnAnswer, Plan};
use crate::error::RequestError;
use crate::h1::{FieldScratch, Next, Parsed, Wait};
use crate::net::buffers::READ_BUFFER_BYTES;

/// Requests of one connection answered before the shard's other tasks run.
const REQUESTS_TURN_MAX: u32 = 16;

/// Answers to piped requests gathered for one write.
const PIPED_BYTES_MAX: usize = 64 * 1024;

/// Runs a connection to its end. While it rests it has no more memory than waiting takes: what serves requests is made when bytes
/// come.
pub(super) async fn run<H: Handler>(server: &Rc<Server<H>>, io: &Rc<Io>) {
    io.expect_request(io.timeouts.read_header_ms);
    loop {
        rest(server, io).await;
        match Box::pin(serve(server, io)).await {
            Served::Rests => {}
            Served::Ended => return,
        }
    }
}

/// Why requests are not served any more.
enum Served {
    /// None comes.
    Rests,
    /// The connection has ended.
    Ended,
}

/// Waits until there is something to do: bytes, the end of patience, or a drain.
async fn rest<H: Handler>(server: &Rc<Server<H>>, io: &Rc<Io>) {
    io.read_timer.set(io.patience.get());
    std::future::poll_fn(|cx| match server.draining.get() {
        true => Poll::Ready(()),
        false => match io.socket.poll_readable(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => io.read_timer.poll(cx),
        },
    })
    .await;
}

/// Serves requests until none has come for a while, or the connection has ended.
async fn serve<H: Handler>(server: &Rc<Server<H>>, io: &Rc<Io>) -> Served {
    let recorder = Recorder { server, io };
    let mut requests = 0;
    loop {
        requests += 1;
        if requests % REQUESTS_TURN_MAX == 0 {
            // A client that always has a request ready must not keep the others of the shard waiting.
            rt::yield_now().await;
        }
        if io.broken.get() {
            io.socket.reset_on_close();
            return Served::Ended;
        }
        let next = io.http.borrow().next();
        if server.wants_records && !matches!(next, Next::Exchange | Next::Refuse(_)) {
            recorder.end();
        }
        let result = match next {
            Next::ReadHead => match read_head(server, io).await {
                Ok(Head::NoneComes) => return Served::Rests,
                Ok(Head::Done) => Ok(()),
                Err(()) => Err(()),
            },
            Next::Exchange => {
                // The handler came back with the response or the body unfinished.
                io.http.borrow_mut().abort();
                Ok(())
            }
            Next::Refuse(error) => Box::pin(refuse(server, io, &error)).await,
            Next::Drain => Box::pin(drain(io)).await,
            Next::Linger => {
                Box::pin(linger::linger(io)).await;
                return Served::Ended;
            }
            Next::Close if linger::is_due(io) => {
                Box::pin(linger::linger(io)).await;
                return Served::Ended;
            }
            Next::Close | Next::Upgraded => {
                io.flush().await.ok();
                return Served::Ended;
            }
            Next::Reset => {
                io.socket.reset_on_close();
                return Served::Ended;
            }
        };
        if result.is_err() {
            io.broken.set(true);
        }
    }
}

/// Gives the record of each request when it has ended, at the latest with the connection, also if the handler panics.
struct Recorder<'a, H: Handler> {
    server: &'a Rc<Server<H>>,
    io: &'a Rc<Io>,
}

impl<H: Handler> Recorder<'_, H> {
    fn end(&self) {
        let io = self.io;
        let Some(notes) = io.notes.take() else { return };
        let end = if notes.is_finished && !io.broken.get() {
            End::Complete
        } else if io.was_cut.get() {
            End::Cut
        } else if io.broken.get() || io.client_left.get() {
            End::ClientGone
        } else {
            End::Cut
        };
        let record = notes.record(&io.client, end, io.output.borrow().len());
        self.server.handler.ended(&record);
        notes.end();
    }
}

impl<H: Handler> Drop for Recorder<'_, H> {
    fn drop(&mut self) {
        self.end();
    }
}

/// What became of the wait for a head.
enum Head {
    /// It came and was dealt with, or the connection's state says what comes next.
    Done,
    /// No byte of it has come for a while.
    NoneComes,
}

async fn read_head<H: Handler>(server: &Rc<Server<H>>, io: &Rc<Io>) -> Result<Head, ()> {
    let mut began = false;
    io.head_began.set(rt::now());
    loop {
        let plan = {
            let input = io.input.borrow();
            let mut scratch = FieldScratch::new();
            let mut http = io.http.borrow_mut();
            match http.recv_head(&input, &mut scratch) {
                // The connection now wants the error answered.
                Err(_) => return Ok(Head::Done),
                Ok(Parsed::Partial) => None,
                Ok(Parsed::Head(head, consumed)) => {
                    let mut notes = server.wants_records.then(|| {
                        let mut notes = Notes::begin(io.head_began.get());
                        notes.head(&head);
                        notes
                    });
                    let plan = server
                        .handler
                        .accept(&head, &io.client, notes.as_deref_mut());
                    *io.notes.borrow_mut() = notes;
                    Some((plan, consumed))
                }
            }
        };
        if let Some((plan, consumed)) = plan {
            io.input.borrow_mut().advance(consumed);
            exchange(server, io, plan).await?;
            return Ok(Head::Done);
        }
        let buffered = io.input.borrow().len();
        if server.draining.get() {
            io.stop_after_response();
            if io.http.borrow().next() != Next::ReadHead {
                return Ok(Head::Done);
            }
        }
        if buffered > 0 && !began {
            began = true;
            io.read_timer.set_after(io.timeouts.read_header_ms);
        }
        // Whatever was answered leaves before we wait.
        io.flush().await?;
        if buffered == 0 {
            io.release_buffers();
        }
        // One read, or the end of patience, or a nudge because the server drains.
        let filled = std::future::poll_fn(|cx| {
            if let Poll::Ready(result) = io.poll_fill(cx, READ_BUFFER_BYTES) {
                return Poll::Ready(Some(result));
            }
            if server.draining.get() && io.input.borrow().is_empty() {
                return Poll::Ready(Some(Err(io::ErrorKind::WouldBlock.into())));
            }
            io.read_timer.poll(cx).map(|()| None)
        });
        match filled.await {
            Some(Ok(0)) => {
                // An incomplete head is an error that wants an answer; otherwise it is a plain end.
                io.http.borrow_mut().recv_end(buffered).ok();
                return Ok(Head::Done);
            }
            Some(Ok(_)) if buffered == 0 => io.head_began.set(rt::now()),
            Some(Ok(_)) => {}
            Some(Err(err)) if err.kind() == io::ErrorKind::WouldBlock => {}
            Some(Err(_)) => {
                if buffered > 0 {
                    note_unread(server, io);
                }
                return Err(());
            }
            None if buffered == 0 && rt::now() < io.patience.get() => return Ok(Head::NoneComes),
            None => {
                let wait = io.http.borrow().wait(buffered);
                if wait == Wait::Idle {
                    io.http.borrow_mut().shut_down(0);
                } else {
                    let error = RequestError::timeout(
                        "http.timeout.read_header",
                        io.timeouts.read_header_ms,
                    );
                    io.http.borrow_mut().refuse(error);
                }
                return Ok(Head::Done);
            }
        }
    }
}

/// A request of which no head could be read: nothing is known but that it was there.
fn note_unread<H: Handler>(server: &Rc<Server<H>>, io: &Io) {
    if server.wants_records && io.notes.borrow().is_none() {
        *io.notes.borrow_mut() = Some(Notes::begin(io.head_began.get()));
    }
}

async fn exchange<H: Handler>(
    server: &Rc<Server<H>>,
    io: &Rc<Io>,
    plan: Plan<H::Plan>,
) -> Result<(), ()> {
    io.read_timer.clear();
    match plan {
        Plan::Answer(answer) => io.queue_answer(&answer),
        Plan::Run { plan, body } => {
            let refused = body.as_ref().is_some_and(|rules| {
                let mut http = io.http.borrow_mut();
                http.limit_body(rules.bytes_min, rules.bytes_max).is_err()
            });
            *io.body_rules.borrow_mut() = body;
            io.pace.restart();
            if refused {
                return Ok(());
            }
            let exchange = Exchange::new(io);
            server.handler.run(plan, &exchange).await;
        }
    }
    if server.draining.get() {
        io.stop_after_response();
    }
    if io.broken.get() {
        return Err(());
    }
    if !matches!(io.http.borrow().next(), Next::Refuse(_)) {
        io.body_rules.take();
    }
    io.expect_request(io.timeouts.idle_ms);
    // The answer to a piped request that is here already may leave in the same write.
    let piped = !io.input.borrow().is_empty() && io.output.borrow().len() < PIPED_BYTES_MAX;
    if !piped {
        io.flush().await?;
    }
    Ok(())
}

async fn refuse<H: Handler>(
    server: &Rc<Server<H>>,
    io: &Rc<Io>,
    error: &RequestError,
) -> Result<(), ()> {
    if io.http.borrow().is_response_begun() {
        io.http.borrow_mut().abort();
        return Ok(());
    }
    note_unread(server, io);
    let (request_id, json) = match io.body_rules.take() {
        Some(rules) => (rules.request_id, rules.json),
        None => (server.handler.new_request_id(), false),
    };
    let answer = OwnAnswer {
        status: error.status,
        sentence: error.to_string(),
        fields: Vec::new(),
        request_id,
        json,
    };
    io.queue_answer(&answer);
    io.flush().await
}

/// The rest of a body that nobody wants is read, within the core's bound, so that the connection can live on.
async fn drain(io: &Rc<Io>) -> Result<(), ()> {
    io.flush().await?;
    while io.http.borrow().next() == Next::Drain {
        let step = {
            let input = io.input.borrow();
            io.http.borrow_mut().recv_body(&input)
        };
        let Ok(step) = step else { return Ok(()) };
        io.input.borrow_mut().advance(step.consumed);
        io.spend(step.consumed);
        io.pace.came(step.data.len());
        if io.is_turn_spent() {
            rt::yield_now().await;
        }
        // Broken framing consumes nothing, and no more of it is waited for.
        if step.consumed > 0 || step.done || io.http.borrow().next() != Next::Drain {
            continue;
        }
        match io.fill_body(READ_BUFFER_BYTES).await {
            // No more will be waited for.
            Ok(Ok(0)) | Err(_) => {
                let buffered = io.input.borrow().len();
                // The end of a client whose answer is out needs no further answer.
                io.http.borrow_mut().recv_end(buffered).ok();
            }
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(()),
        }
    }
    io.expect_request(io.timeouts.idle_ms);
    Ok(())
}
