//! What the hot path allocates: nothing. Counted by an allocator of this test's own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use flatend_http::date::DateCache;
use flatend_http::h1::{BodyDecoder, BodyLength, Connection, FieldScratch, Parsed, ResponseHead};
use flatend_http::headers::{join, JoinScratch};
use flatend_http::limits::Limits;
use flatend_http::router::{Outcome, RouterBuilder};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's contract is the one of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

const REQUEST: &[u8] = b"GET /users/7/posts/9?x=1 HTTP/1.1\r\nHost: a.example\r\n\
    User-Agent: test\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n";

#[test]
fn a_request_and_its_response_allocate_nothing() {
    assert_eq!(
        allocations(|| drop(std::hint::black_box(Box::new(1)))),
        1,
        "the counter counts"
    );

    let mut builder = RouterBuilder::new();
    builder
        .add(None, "GET /users/:user/posts/:post", ())
        .unwrap();
    builder.add(Some("b.example"), "GET /", ()).unwrap();
    let router = builder.build().unwrap();
    let mut dates = DateCache::new(0);
    let mut connection = Connection::new(Limits::default());
    let mut join_scratch = JoinScratch::default();
    let mut out = Vec::with_capacity(4096);
    let mut serve = |second: u64| {
        let mut scratch = FieldScratch::new();
        let Ok(Parsed::Head(head, _)) = connection.recv_head(REQUEST, &mut scratch) else {
            panic!("the head is whole")
        };
        let target = head.target;
        let outcome = router.lookup("GET", head.authority, target.path, target.query);
        let Outcome::Found(found) = outcome else {
            panic!("there is a route")
        };
        assert_eq!(found.params.decoded().filter(Result::is_ok).count(), 2);
        let mut fields = 0;
        join(head.fields, &mut join_scratch, |_, _| fields += 1);
        assert_eq!(fields, 3);
        let date = dates.at(second);
        let head = ResponseHead {
            status: 200,
            body_bytes: Some(5),
            date,
            request_id: None,
        };
        let fields = [(&b"content-type"[..], &b"text/plain"[..])];
        connection.send_head(&mut out, &head, fields).unwrap();
        connection.send_data(5).unwrap();
        connection.send_end().unwrap();
        out.clear();
    };
    serve(1); // scratch space grows once
    assert_eq!(allocations(|| serve(2)), 0);
}

#[test]
fn a_chunked_body_without_trailers_allocates_nothing() {
    let count = allocations(|| {
        let mut decoder = BodyDecoder::new(BodyLength::Chunked, 0, 100).unwrap();
        let input = b"5\r\nhello\r\n0\r\n\r\n";
        let step = decoder.decode(input).unwrap();
        assert!(step.done && &input[step.data] == b"hello");
    });
    assert_eq!(count, 0);
}
