//! Which request ends when there is no connection for a new one.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use flatend::{rt, Call, CallError, CallRequest, Fault, HeaderBlock, Shard};

use super::on_shard::on_shard;
use super::{Origin, Report, UpstreamHandle};

/// A server that answers with the head of a stream and then waits for the end of the connection.
fn streams_without_end() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nfirst").unwrap();
                while stream.read(&mut [0; 1024]).is_ok_and(|bytes| bytes > 0) {}
            });
        }
    });
    url
}

async fn begun(shard: &Rc<Shard>, handle: &UpstreamHandle) -> Call {
    let call = shard.call(CallRequest {
        services: handle.set(shard),
        headers: HeaderBlock::new(),
        extras: HeaderBlock::new(),
        has_body: false,
        repeatable: true,
        hold_ms: None,
        max_in_flight: None,
        timeout_ms: Some(15_000),
        deadline: None,
    });
    call.response().await.unwrap();
    assert_eq!(call.data().await.unwrap().unwrap(), "first");
    call
}

fn full(connections_max: usize) -> Result<(), CallError> {
    Err(CallError::ConnectionsInUse { connections_max })
}

#[test]
fn the_request_that_is_silent_for_longest_makes_room_where_callers_may_be_gone() {
    on_shard(|shard| async move {
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = told.clone();
        let report: Report = Arc::new(move |event| log.lock().unwrap().push(event));
        let origin = Origin::parse(&streams_without_end()).unwrap();
        let handle = UpstreamHandle::new(origin, None, report);
        let (inner, _set) = handle.on_shard(&shard);
        let old = begun(&shard, &handle).await;
        rt::sleep(20).await;
        let young = begun(&shard, &handle).await;
        assert_eq!(inner.make_room(3, 0), Ok(()), "there is room");
        assert_eq!(inner.make_room(2, 0), full(2));
        handle.oust_silent();
        assert_eq!(inner.make_room(2, 60_000), full(2));
        assert_eq!(inner.make_room(2, 20), Ok(()));
        let lost = Fault::LinkLost { left: true };
        assert_eq!(old.data().await, Err(lost.clone()));
        rt::yield_now().await;
        assert_eq!(inner.pool.connections(), 1, "closed in the same turn");
        // One that is to end is not ended twice.
        assert_eq!(inner.make_room(1, 0), Ok(()));
        assert_eq!(inner.make_room(1, 0), full(1));
        assert_eq!(young.data().await, Err(lost));
        let lines: Vec<_> = told
            .lock()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        let ended = "on which nothing had moved for 0 s was ended for a new one: this shard has 2 connections";
        assert_eq!(lines.len(), 5, "{lines:?}");
        assert!(lines[2].contains(ended), "{lines:?}");
    });
}
