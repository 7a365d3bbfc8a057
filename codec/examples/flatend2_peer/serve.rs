//! What this node offers.

use std::collections::HashMap;

use ed25519_dalek::SigningKey;
use flatend_codec::{GoodbyeCode, HeaderBlock, PeerKind, Record, ResetCode, StreamId};

use crate::link::{Link, Told};
use crate::Result;

pub(crate) const SERVICES: [&str; 5] = ["echo", "fail", "stall", "flood", "leave"];
const FLOOD_BYTES: usize = 3 << 20;

/// A response under way.
#[derive(Default)]
struct Answer {
    service: &'static str,
    waiting: Vec<u8>,
    sent: usize,
    request_ended: bool,
    trailers: bool,
}

pub(crate) fn serve_link(mut link: Link) -> Result<()> {
    let mut answers: HashMap<StreamId, Answer> = HashMap::new();
    while let Some(told) = link.turn()? {
        for told in told {
            serve(&mut link, &mut answers, told)?;
        }
        advance(&mut link, &mut answers)?;
    }
    link.finish()
}

fn serve(link: &mut Link, answers: &mut HashMap<StreamId, Answer>, told: Told) -> Result<()> {
    let now = link.now();
    match told {
        Told::Request(stream, services, headers, deadline_ms) => {
            let offered = |name: &String| SERVICES.into_iter().find(|offered| offered == name);
            let Some(service) = services.iter().find_map(offered) else {
                link.conn.refuse(now, stream);
                return Ok(());
            };
            let mut head = HeaderBlock::new();
            head.push(b":status", b"201")?;
            let deadline = deadline_ms.unwrap_or(0).to_string();
            head.push(b"deadline", deadline.as_bytes())?;
            link.conn.respond(now, stream, &head, false)?;
            let mut answer = Answer {
                service,
                trailers: headers.iter().any(|header| header == "trailers=1"),
                ..Answer::default()
            };
            match service {
                "fail" => {
                    link.conn.send_data(now, stream, b"half of it")?;
                    let reason = "on purpose";
                    link.conn.reset(now, stream, ResetCode::Internal, reason);
                    return Ok(());
                }
                "flood" => answer.waiting = (0..FLOOD_BYTES).map(|at| (at / 1_000) as u8).collect(),
                "leave" => link
                    .conn
                    .goodbye(now, GoodbyeCode::Drain, "it was asked to"),
                _ => {}
            }
            answers.insert(stream, answer);
        }
        Told::Data(stream, bytes) => {
            if let Some(answer) = answers.get_mut(&stream) {
                if answer.service != "stall" {
                    link.conn.credit(now, stream, bytes.len());
                }
                if answer.service == "echo" {
                    answer.waiting.extend_from_slice(&bytes);
                }
            }
        }
        Told::End(stream) => {
            if let Some(answer) = answers.get_mut(&stream) {
                answer.request_ended = true;
            }
        }
        Told::Reset(stream, _) => drop(answers.remove(&stream)),
        Told::FindNode(token) => {
            let record = Record {
                public_key: [0; 32],
                addresses: vec![link.socket.local_addr()?],
                capabilities: 0,
                made_s: 1_790_000_000,
                lifetime_s: 3_600,
            };
            let record = record.sign(&SigningKey::from_bytes(&[9; 32]));
            if link.conn.peer_kind() == PeerKind::Flatend2 {
                link.conn.records(now, token, [&record[..]])?;
            } else {
                let nobody: [flatend_codec::NodeId; 0] = [];
                link.conn.nodes(now, token, nobody.iter())?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Sends what the windows allow, and ends what is whole.
fn advance(link: &mut Link, answers: &mut HashMap<StreamId, Answer>) -> Result<()> {
    let now = link.now();
    let mut over = Vec::new();
    for (stream, answer) in answers.iter_mut() {
        let rest = answer.waiting.len() - answer.sent;
        let count = link.conn.send_capacity(*stream).min(rest);
        let piece = &answer.waiting[answer.sent..answer.sent + count];
        link.conn.send_data(now, *stream, piece)?;
        answer.sent += count;
        if answer.sent == answer.waiting.len() && answer.request_ended {
            if answer.trailers {
                let mut trailers = HeaderBlock::new();
                trailers.push(b"bytes", answer.sent.to_string().as_bytes())?;
                link.conn.trailers(now, *stream, &trailers)?;
            } else {
                link.conn.send_end(now, *stream)?;
            }
            over.push(*stream);
        }
    }
    for stream in over {
        answers.remove(&stream);
    }
    Ok(())
}
