//! What this node asks of `peers/python/run`.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::time::Instant;

use flatend_codec::{GoodbyeCode, HeaderBlock, PeerKind, Record, ResetCode, Role, StreamId};

use crate::link::{Link, Told};
use crate::{Options, Result, TIMEOUT};

const NONE: HeaderBlock = HeaderBlock::new();

/// What `peers/python/run` offers, asked in turn.
struct Asker {
    link: Link,
    told: VecDeque<Told>,
}

impl Asker {
    /// The next thing told that `wanted` gives something for; all else is passed over.
    fn until<T>(&mut self, mut wanted: impl FnMut(&mut Link, Told) -> Option<T>) -> Result<T> {
        let began = Instant::now();
        loop {
            while let Some(told) = self.told.pop_front() {
                if let Some(found) = wanted(&mut self.link, told) {
                    return Ok(found);
                }
            }
            if began.elapsed() > TIMEOUT {
                return Err("nothing of the kind in 30 s".into());
            }
            self.told
                .extend(self.link.turn()?.ok_or("the peer has ended the link")?);
        }
    }

    fn ask(&mut self, service: &str, end: bool) -> Result<StreamId> {
        let now = self.link.now();
        Ok(self
            .link
            .conn
            .open_stream(now, [service], &NONE, &NONE, end)?)
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, have: T, want: T) -> Result<()> {
    if have != want {
        return Err(format!("{what}: {have:?} is not {want:?}").into());
    }
    println!("ok {what}");
    Ok(())
}

pub(crate) fn dial(port: u16, options: &Options) -> Result<()> {
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    let link = Link::new(socket, Role::Dialer, options)?;
    let mut asker = Asker {
        link,
        told: VecDeque::new(),
    };
    asker.until(|_, told| matches!(told, Told::Up).then_some(()))?;
    expect(
        "flatend/2 is spoken",
        asker.link.conn.peer_kind(),
        PeerKind::Flatend2,
    )?;
    echo(&mut asker)?;
    let stream = asker.ask("nobody", true)?;
    asker.until(|_, told| matches!(told, Told::Refused(id) if id == stream).then_some(()))?;
    println!("ok an unknown name is refused");
    let stream = asker.ask("fail", true)?;
    let code = asker.until(|_, told| match told {
        Told::Reset(id, code) if id == stream => Some(code),
        _ => None,
    })?;
    expect("a handler that fails", code, ResetCode::Internal)?;
    let stream = asker.ask("trailers", true)?;
    let trailers = asker.until(|_, told| match told {
        Told::Trailers(id, trailers) if id == stream => Some(trailers),
        _ => None,
    })?;
    expect("trailers", trailers, vec!["sum=42".to_owned()])?;
    let now = asker.link.now();
    asker.link.conn.find_node(now, [1; 32])?;
    let records = asker.until(|_, told| match told {
        Told::Records(records) => Some(records),
        _ => None,
    })?;
    let verified = records.iter().all(|record| Record::verify(record).is_ok());
    expect("a signed record", (records.len(), verified), (1, true))?;
    // Longer than it takes to ask whether the peer lives.
    let stream = asker.ask("slow", true)?;
    let status = asker.until(|_, told| match told {
        Told::Response(id, status) if id == stream => Some(status),
        _ => None,
    })?;
    expect("PING while a request waits", status, 204)?;
    let stream = asker.ask("leave", true)?;
    let goodbye = asker.until(|_, told| match told {
        Told::Goodbye(code, taken) => Some((code, taken)),
        _ => None,
    })?;
    // Of six, one was refused by its name, and taken all the same.
    expect("GOODBYE", goodbye, (GoodbyeCode::Restart, 6))?;
    asker.until(|_, told| matches!(told, Told::End(id) if id == stream).then_some(()))?;
    println!("ok what was taken is finished");
    asker.link.finish()
}

fn echo(asker: &mut Asker) -> Result<()> {
    let body: Vec<u8> = (0..1_500_000u32).map(|at| (at / 777) as u8).collect();
    let stream = asker.ask("echo", false)?;
    let (mut sent, mut back) = (0, Vec::new());
    let send = |link: &mut Link, sent: &mut usize| -> Result<()> {
        let now = link.now();
        let count = link.conn.send_capacity(stream).min(body.len() - *sent);
        link.conn
            .send_data(now, stream, &body[*sent..*sent + count])?;
        *sent += count;
        if count > 0 && *sent == body.len() {
            link.conn.send_end(now, stream)?;
        }
        Ok(())
    };
    send(&mut asker.link, &mut sent)?;
    let mut failed = None;
    asker.until(|link, told| {
        match told {
            Told::Data(id, bytes) if id == stream => {
                back.extend_from_slice(&bytes);
                let now = link.now();
                link.conn.credit(now, stream, bytes.len());
            }
            Told::Room => failed = send(link, &mut sent).err(),
            Told::End(id) if id == stream => return Some(()),
            _ => {}
        }
        failed.is_some().then_some(())
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    expect("1.5 MB there and back", back == body, true)
}
