//! The libraries underneath alone, on the same bytes.

use std::mem::MaybeUninit;
use std::time::Duration;

use flatend_http::limits::FIELDS_MAX;
use ring::aead::{Aad, LessSafeKey};

use super::{name_of, Way, Workload};
use crate::floor::{key, nonce, TAG_BYTES};
use crate::{router, timed, Case};

/// What is authenticated beside each frame: its length.
const LENGTH: [u8; 4] = [0; 4];

/// httparse, matchit, ring and copies.
pub struct Floor {
    workload: Workload,
    turn: usize,
    routes: matchit::Router<usize>,
    key: LessSafeKey,
    /// Plaintext bytes a request, there and back.
    plaintext: [usize; 2],
    /// What is said, and what arrived.
    frame: Vec<u8>,
    arrived: Vec<u8>,
    counter: u64,
    answer: Vec<u8>,
    output: Vec<u8>,
}

impl Floor {
    /// The floor of a way that has had a whole turn.
    pub(super) fn new(way: &Way) -> Floor {
        let most = way.plaintext[0].max(way.plaintext[1]) + TAG_BYTES;
        Floor {
            workload: way.workload,
            turn: way.turn,
            routes: router::raw_matchit(way.workload.routes),
            key: key(),
            plaintext: way.plaintext.map(|bytes| bytes / way.turn),
            frame: vec![1; most],
            arrived: vec![2; most],
            counter: 0,
            answer: way.output().to_vec(),
            output: Vec::new(),
        }
    }

    /// So many requests at once, `turn` at most.
    ///
    /// # Panics
    /// When ring does not open what it has sealed, or the head or route is not found.
    pub fn turn(&mut self, size: usize) {
        for _ in 0..size {
            self.find();
        }
        for bytes in self.plaintext {
            self.carry(bytes * size);
        }
        for _ in 0..size {
            self.output.clear();
            self.output
                .extend_from_slice(std::hint::black_box(&self.answer));
        }
    }

    /// The head and its route.
    #[inline(never)]
    fn find(&self) {
        let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut []);
        let head = std::hint::black_box(self.workload.head);
        let parsed = request.parse_with_uninit_headers(head, &mut fields);
        assert_eq!(parsed, Ok(httparse::Status::Complete(head.len())));
        let target = request.path.unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        let found = self.routes.at(path).expect("there is a route");
        std::hint::black_box((&request, &found));
    }

    /// A frame to the other side.
    #[inline(never)]
    fn carry(&mut self, bytes: usize) {
        let (plaintext, room) = self.frame[..bytes + TAG_BYTES].split_at_mut(bytes);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce(self.counter), Aad::from(LENGTH), plaintext)
            .expect("short enough");
        room.copy_from_slice(tag.as_ref());
        let arrived = &mut self.arrived[..bytes + TAG_BYTES];
        arrived.copy_from_slice(&self.frame[..bytes + TAG_BYTES]);
        let opened = self
            .key
            .open_in_place(nonce(self.counter), Aad::from(LENGTH), arrived)
            .expect("sealed before");
        std::hint::black_box(opened);
        self.counter += 1;
    }
}

impl Case for Floor {
    fn name(&self) -> String {
        name_of(
            &self.workload,
            self.turn,
            "floor: httparse, matchit, ring, memcpy",
        )
    }

    fn time(&mut self, iterations: u64) -> Duration {
        let turn = self.turn as u64;
        let (time, ()) = timed(|| {
            let mut left = iterations;
            while left > 0 {
                let size = left.min(turn);
                self.turn(size as usize);
                left -= size;
            }
        });
        assert_eq!(self.output, self.answer);
        time
    }
}
