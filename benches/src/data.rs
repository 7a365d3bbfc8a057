//! Bodies: one Data of a response, sealed by the side that answers and opened by the side that asked.

use std::time::Duration;

use flatend_codec::{Event, HeaderBlock, StreamId};

use crate::floor::{Floor, Work};
use crate::link::{open_all, Pair, NOW, SERVICE};
use crate::{in_batches, timed, Case};

/// Payloads: a line of text, a page, a usual read, the largest Data of a frame that fits 64 KiB.
const PAYLOAD_BYTES: [usize; 4] = [64, 1_024, 16_384, 65_520];

/// Bytes that travel between two looks at the other side; about what the engine corks.
const BATCH_BYTES: usize = 256 * 1024;

/// Bytes of a frame's plaintext before the payload: RPC number, opcode, stream, length.
const OVERHEAD_BYTES: usize = 4 + 1 + 4 + 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Send,
    Open,
}

struct Data {
    side: Side,
    pair: Pair,
    stream: StreamId,
    payload: Vec<u8>,
}

/// Both sides with each payload, beside their floors.
pub fn cases() -> Vec<Box<dyn Case>> {
    let mut cases: Vec<Box<dyn Case>> = Vec::new();
    for bytes in PAYLOAD_BYTES {
        for (side, work) in [(Side::Send, Work::Seal), (Side::Open, Work::Open)] {
            let data = Data::new(side, bytes);
            let what = data.what();
            cases.push(Box::new(data));
            for work in [work, Work::Copy] {
                cases.push(Box::new(Floor::new(&what, work, &[OVERHEAD_BYTES + bytes])));
            }
        }
    }
    cases
}

impl Data {
    fn new(side: Side, bytes: usize) -> Data {
        let mut pair = Pair::new();
        let none = HeaderBlock::new();
        let stream = pair
            .dialer
            .open_stream(NOW, [SERVICE], &none, &none, true)
            .expect("hands are shaken");
        let (acceptor, request) = pair.at_acceptor();
        open_all(acceptor, request, |_| {});
        let answered = pair.acceptor.respond(NOW, stream, &none, false);
        answered.expect("the request has come");
        let (dialer, response) = pair.at_dialer();
        open_all(dialer, response, |_| {});
        assert!(pair.acceptor.data_bytes_max() >= bytes, "one Data, not two");
        Data {
            side,
            pair,
            stream,
            payload: vec![0x5a; bytes],
        }
    }

    fn what(&self) -> String {
        let side = match self.side {
            Side::Send => "send",
            Side::Open => "open",
        };
        format!("data {side} {} B", self.payload.len())
    }

    fn batch(&mut self, size: u64) -> Duration {
        let (acceptor, stream, payload) = (&mut self.pair.acceptor, self.stream, &self.payload);
        let (sending, ()) = timed(|| {
            for _ in 0..size {
                let sent = acceptor.send_data(NOW, stream, payload);
                sent.expect("the stream is open");
            }
        });
        let (dialer, frames) = self.pair.at_dialer();
        let payload = &self.payload;
        let mut whole = 0;
        let (opening, ()) = timed(|| {
            open_all(dialer, frames, |event| {
                // The lengths always; all bytes would be another pass over them.
                if let Event::Data { bytes, .. } = event {
                    let right = bytes.len() == payload.len() && bytes.last() == payload.last();
                    whole += u64::from(right);
                }
            });
        });
        assert_eq!(whole, size);
        match self.side {
            Side::Send => sending,
            Side::Open => opening,
        }
    }
}

impl Case for Data {
    fn name(&self) -> String {
        format!("{}/codec", self.what())
    }

    fn bytes(&self) -> u64 {
        self.payload.len() as u64
    }

    fn time(&mut self, iterations: u64) -> Duration {
        let most = (BATCH_BYTES / self.payload.len()).max(1) as u64;
        in_batches(iterations, most, |size| self.batch(size))
    }
}
