//! A server without sockets, driven as a shell would drive it, and the requests that it gets.

use flatend_http::date::DateCache;
use flatend_http::h1::{Answer, Connection, FieldScratch, Next, Parsed, ResponseHead};
use flatend_http::limits::Limits;
use flatend_http::{RequestError, ResponseError};

/// A server whose handler answers by `serve`, driven as a shell would drive it.
pub struct Server {
    pub connection: Connection,
    pub buffer: Vec<u8>,
    pub out: Vec<u8>,
    pub dates: DateCache,
    /// Paths of the requests in the order in which they were parsed.
    pub paths: Vec<String>,
}

pub const NO_FIELDS: [(&[u8], &[u8]); 0] = [];

impl Server {
    pub fn new(limits: Limits) -> Self {
        Server {
            connection: Connection::new(limits),
            buffer: Vec::new(),
            out: Vec::new(),
            dates: DateCache::new(0),
            paths: Vec::new(),
        }
    }

    pub fn with(bytes: &[u8]) -> Self {
        let mut server = Server::new(Limits::default());
        server.read_head(bytes);
        server
    }

    pub fn next(&self) -> Next {
        self.connection.next()
    }

    /// Adds bytes and parses a head if one is wanted.
    pub fn read_head(&mut self, bytes: &[u8]) -> bool {
        self.buffer.extend_from_slice(bytes);
        let mut scratch = FieldScratch::new();
        let consumed = match self.connection.recv_head(&self.buffer, &mut scratch) {
            Ok(Parsed::Head(head, consumed)) => {
                self.paths.push(head.target.path.to_owned());
                consumed
            }
            _ => return false,
        };
        self.buffer.drain(..consumed);
        true
    }

    /// Adds bytes and decodes what there is of the body.
    pub fn read_body(&mut self, bytes: &[u8]) -> Result<Vec<u8>, RequestError> {
        self.buffer.extend_from_slice(bytes);
        let mut data = Vec::new();
        loop {
            let step = self.connection.recv_body(&self.buffer)?;
            data.extend_from_slice(&self.buffer[step.data.clone()]);
            self.buffer.drain(..step.consumed);
            if step.done || step.consumed == 0 {
                return Ok(data);
            }
        }
    }

    pub fn head(&mut self, body_bytes: Option<u64>) -> Result<(), ResponseError> {
        let date = self.dates.text();
        let head = ResponseHead {
            status: 200,
            body_bytes,
            date,
            request_id: None,
        };
        self.connection.send_head(&mut self.out, &head, NO_FIELDS)
    }

    pub fn data(&mut self, data: &[u8]) -> Result<(), ResponseError> {
        let piece = self.connection.send_data(data.len())?;
        self.out.extend_from_slice(piece.prefix());
        if piece.carries_data() {
            self.out.extend_from_slice(data);
        }
        self.out.extend_from_slice(piece.suffix());
        Ok(())
    }

    pub fn end(&mut self) -> Result<(), ResponseError> {
        self.out.extend_from_slice(self.connection.send_end()?);
        Ok(())
    }

    /// A whole response with `body`.
    pub fn respond(&mut self, body: &[u8]) {
        self.head(Some(body.len() as u64)).unwrap();
        self.data(body).unwrap();
        self.end().unwrap();
    }

    pub fn answer(&mut self, status: u16) -> Result<(), ResponseError> {
        let date = self.dates.text();
        let sentence = "No.";
        let answer = Answer {
            status,
            sentence,
            json: false,
            request_id: None,
            date,
            fields: &[],
        };
        self.connection.send_answer(&mut self.out, &answer)
    }

    pub fn says_close(&self) -> bool {
        String::from_utf8_lossy(&self.out).contains("\r\nconnection: close\r\n")
    }
}

pub const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
pub const POST_5: &[u8] = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
pub const POST_CHUNKED: &[u8] =
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
pub const GET_1_0: &[u8] = b"GET /a HTTP/1.0\r\n\r\n";
pub const EXPECTING: &[u8] =
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
