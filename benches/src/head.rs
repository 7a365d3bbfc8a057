//! Request heads, beside httparse alone, which finds the same tokens and checks none of their meaning.

use std::mem::MaybeUninit;
use std::time::Duration;

use flatend_http::h1::{parse_head, FieldScratch, Parsed};
use flatend_http::limits::{Limits, FIELDS_MAX};

use crate::{timed, Case};

/// What a load generator sends.
pub(crate) const SMALL: &[u8] = b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n\r\n";

/// What a browser sends.
pub(crate) const BROWSER: &[u8] = b"GET /users/7/posts/9?sort=new&page=2 HTTP/1.1\r\n\
    Host: shop.example\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://shop.example/users/7\r\n\
    Connection: keep-alive\r\n\
    Cookie: session=5f1b2c9e8d7a4b3c; theme=dark; seen=1719230400\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Priority: u=0, i\r\n\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Flatend,
    Httparse,
}

struct Head {
    what: &'static str,
    how: How,
    bytes: &'static [u8],
    fields: usize,
}

/// Both heads, ours and httparse's.
pub fn cases() -> Vec<Box<dyn Case>> {
    let mut cases: Vec<Box<dyn Case>> = Vec::new();
    for (what, bytes, fields) in [
        ("head of a load generator", SMALL, 1),
        ("head of a browser", BROWSER, 13),
    ] {
        for how in [How::Flatend, How::Httparse] {
            cases.push(Box::new(Head {
                what,
                how,
                bytes,
                fields,
            }));
        }
    }
    cases
}

fn flatend(bytes: &[u8], limits: &Limits) -> usize {
    let mut scratch = FieldScratch::new();
    match parse_head(bytes, limits, &mut scratch) {
        Ok(Parsed::Head(head, consumed)) if consumed == bytes.len() => {
            std::hint::black_box(&head).fields.len()
        }
        other => panic!("the head is whole and right: {other:?}"),
    }
}

fn httparse(bytes: &[u8]) -> usize {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(bytes, &mut fields);
    assert_eq!(parsed, Ok(httparse::Status::Complete(bytes.len())));
    std::hint::black_box(&request).headers.len()
}

impl Case for Head {
    fn name(&self) -> String {
        let how = match self.how {
            How::Flatend => "flatend",
            How::Httparse => "floor: httparse",
        };
        format!("{}/{how}", self.what)
    }

    fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn time(&mut self, iterations: u64) -> Duration {
        let limits = Limits::default();
        let (how, expected) = (self.how, self.fields);
        let (time, right) = timed(|| {
            (0..iterations).all(|_| {
                let bytes = std::hint::black_box(self.bytes);
                expected
                    == match how {
                        How::Flatend => flatend(bytes, &limits),
                        How::Httparse => httparse(bytes),
                    }
            })
        });
        assert!(right, "{expected} fields");
        time
    }
}
