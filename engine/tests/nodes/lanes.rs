//! Several links between two nodes (flatend2.md 6): each shard has its own as soon as requests pass, and what breaks one leaves the
//! others at work.

use std::collections::BTreeSet;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flatend::limits::{LANES_MAX, LANE_DIALS_MAX, LANE_WORK_REQUESTS};
use flatend::{Node, NodeEvent};

use crate::services::{pair_of, provider, Dialer};
use crate::support::calls::{exchange, get, request};
use crate::support::node::TestNode;
use crate::support::peer::{Claim, Peer, Seen};
use crate::support::{settled, wait_for, wait_until};

/// A provider of `hello` and `where`, which answers with the number of its shard.
fn telling() -> flatend::NodeBuilder {
    provider().service("where", |context| async move {
        let shard = context.shard().index();
        context.send(shard.to_string()).await
    })
}

/// Links of each shard.
fn links(node: &TestNode, shards: usize) -> Vec<usize> {
    let count = |shard| node.run(shard, |shard| async move { shard.link_count() });
    (0..shards).map(count).collect()
}

/// Calls of each shard over others' links.
fn relayed(node: &TestNode, shards: usize) -> Vec<u64> {
    let count = |shard| node.run(shard, |shard| async move { shard.relayed_calls() });
    (0..shards).map(count).collect()
}

/// Makes requests until every link is there.
fn open_lanes(caller: &TestNode, callers: usize, expected: &[usize]) {
    wait_until(&format!("links {expected:?}"), || {
        for shard in 0..callers {
            get(caller, shard, "hello").expect("a response");
        }
        let usable = caller.node().snapshot().providers(["hello"])[0].links.len();
        links(caller, callers) == expected && usable == expected.iter().sum::<usize>()
    });
}

/// Who dials, how many shards, and the links of each side in the end.
fn each_core_has_its_own_link(dialer: Dialer, callers: usize, providers: usize) {
    let listen = "127.0.0.1:0";
    let (provider, caller) = match dialer {
        Dialer::Caller => {
            let provider = TestNode::with_shards(providers, telling().bind(listen));
            let to = provider.addr().to_string();
            let builder = Node::builder().bind(listen).bootstrap(to);
            (provider, TestNode::with_shards(callers, builder))
        }
        _ => {
            let caller = TestNode::with_shards(callers, Node::builder().bind(listen));
            let to = caller.addr().to_string();
            let provider = TestNode::with_shards(providers, telling().bootstrap(to));
            (provider, caller)
        }
    };
    caller.wait_providers("where", 1);
    let lanes = callers.max(providers);
    open_lanes(&caller, callers, &vec![lanes / callers; callers]);
    wait_until("both ends agree", || {
        links(&provider, providers) == vec![lanes / providers; providers]
    });
    let peers = caller.node().state().peers();
    assert_eq!(peers.len(), 1, "one provider, however many links");
    assert_eq!(peers[0].links, lanes);
    let before = relayed(&caller, callers);
    // At once, so that each shard uses all its links.
    let running: Vec<_> = (0..callers * 32)
        .map(|number| {
            caller.begin(number % callers, |shard| async move {
                exchange(&shard, request(&shard, "where"), &[]).await
            })
        })
        .collect();
    let served = running.into_iter().map(|one| {
        let reply = one.wait().expect("a response");
        reply.text().to_owned()
    });
    let shards: BTreeSet<String> = served.collect();
    assert_eq!(relayed(&caller, callers), before, "no hop between shards");
    let all: BTreeSet<String> = (0..providers).map(|shard| shard.to_string()).collect();
    assert_eq!(shards, all, "shards of the provider that served somebody");
    let is_up =
        |event: &&NodeEvent| matches!(event, NodeEvent::Dialed { .. } | NodeEvent::Accepted { .. });
    for node in [&caller, &provider] {
        assert_eq!(node.events().iter().filter(is_up).count(), 1, "one line");
    }
    caller.shutdown();
    provider.shutdown();
}

#[test]
fn two_shards_and_two_have_two_links_and_no_hop_whoever_dials() {
    each_core_has_its_own_link(Dialer::Caller, 2, 2);
    each_core_has_its_own_link(Dialer::Provider, 2, 2);
}

#[test]
fn two_shards_have_a_link_each_to_one() {
    each_core_has_its_own_link(Dialer::Caller, 2, 1);
    each_core_has_its_own_link(Dialer::Provider, 2, 1);
}

#[test]
fn one_shard_has_a_link_to_each_of_two() {
    each_core_has_its_own_link(Dialer::Caller, 1, 2);
    each_core_has_its_own_link(Dialer::Provider, 1, 2);
}

#[test]
fn who_asks_seldom_keeps_one_link_and_so_does_legacy() {
    let (_provider, caller) = pair_of(Dialer::Caller, 2, provider());
    for _ in 1..LANE_WORK_REQUESTS {
        get(&caller, 0, "hello").expect("a response");
    }
    let (old, old_caller) = pair_of(Dialer::CallerOnLegacy, 2, provider());
    for _ in 0..2 * LANE_WORK_REQUESTS {
        get(&old_caller, 0, "hello").expect("a response");
    }
    let all = |node: &TestNode| links(node, 2).iter().sum::<usize>();
    let most = settled(Duration::from_millis(300), || {
        all(&caller).max(all(&old_caller)).max(all(&old)) as u64
    });
    assert_eq!(most, 1);
    get(&caller, 0, "hello").expect("a response");
    wait_until("the second link", || links(&caller, 2) == [1, 1]);
}

#[test]
fn two_that_dialed_each_other_keep_the_lanes_of_one() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let later = free.local_addr().expect("an address");
    drop(free);
    let node = |addr: &str, to: SocketAddr| telling().bind(addr).bootstrap(to.to_string());
    let first = TestNode::with_shards(2, node("127.0.0.1:0", later));
    let second = TestNode::with_shards(2, node(&later.to_string(), first.addr()));
    first.wait_providers("where", 1);
    second.wait_providers("where", 1);
    // Links of the other side may still come, and go.
    let mut since = Instant::now();
    wait_until("one link of each pair of shards, and no other", || {
        for node in [&first, &second] {
            for shard in 0..2 {
                get(node, shard, "hello").expect("a response");
            }
        }
        if (links(&first, 2), links(&second, 2)) != (vec![1, 1], vec![1, 1]) {
            since = Instant::now();
        }
        since.elapsed() > Duration::from_millis(800)
    });
}

/// Passes connections on to a node, and can cut them.
struct Passage {
    addr: SocketAddr,
    passed: Arc<Mutex<Vec<TcpStream>>>,
}

impl Passage {
    fn to(node: SocketAddr) -> Passage {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("an address");
        let passed = Arc::new(Mutex::new(Vec::new()));
        let all = passed.clone();
        std::thread::spawn(move || {
            for from in listener.incoming() {
                let (Ok(mut from), Ok(mut to)) = (from, TcpStream::connect(node)) else {
                    return;
                };
                let (Ok(mut back), Ok(mut forth)) = (to.try_clone(), from.try_clone()) else {
                    return;
                };
                all.lock()
                    .expect("the list")
                    .push(back.try_clone().expect("a copy"));
                std::thread::spawn(move || {
                    // Cut, or over.
                    std::io::copy(&mut from, &mut to).ok();
                    to.shutdown(Shutdown::Both).ok();
                });
                std::thread::spawn(move || {
                    std::io::copy(&mut back, &mut forth).ok();
                    forth.shutdown(Shutdown::Both).ok();
                });
            }
        });
        Passage { addr, passed }
    }

    fn count(&self) -> usize {
        self.passed.lock().expect("the list").len()
    }

    fn cut(&self, number: usize) {
        let passed = self.passed.lock().expect("the list");
        passed[number].shutdown(Shutdown::Both).expect("it lives");
    }
}

#[test]
fn a_lane_that_is_cut_costs_no_request_that_may_be_repeated_and_comes_back() {
    let provider = TestNode::with_shards(2, telling().bind("127.0.0.1:0"));
    let passage = Passage::to(provider.addr());
    let builder = Node::builder()
        .bind("127.0.0.1:0")
        .bootstrap(passage.addr.to_string());
    let caller = TestNode::with_shards(2, builder);
    caller.wait_providers("where", 1);
    open_lanes(&caller, 2, &[1, 1]);
    for number in 0..2 {
        let before = passage.count();
        let running: Vec<_> = (0..2)
            .map(|shard| {
                caller.begin(shard, |shard| async move {
                    let begun = flatend::rt::now();
                    let mut done = 0;
                    while flatend::rt::now().0 - begun.0 < 1_500 {
                        let request = flatend::CallRequest {
                            repeatable: true,
                            ..request(&shard, "hello")
                        };
                        exchange(&shard, request, &[]).await.expect("a response");
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        passage.cut(number);
        wait_until("the lane is dialed again", || passage.count() > before);
        for one in running {
            assert!(one.wait() > 0);
        }
        open_lanes(&caller, 2, &[1, 1]);
        assert_eq!(passage.count(), before + 1, "the other one stayed");
    }
}

#[test]
fn who_claims_every_shard_there_can_be_gets_sixteen_links_four_at_a_time() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("an option");
    let to = listener.local_addr().expect("an address");
    let node = TestNode::with_shards(2, Node::builder().bootstrap(to.to_string()));
    let claim = Claim {
        instance: [9; 16],
        shards: u16::MAX,
        lane: 0,
    };
    let accept = || listener.accept().ok().map(|(stream, _)| stream);
    let first = wait_for("the first dial", accept);
    let mut peers = vec![Peer::accepted(first, 3, &["hello"], claim)];
    peers[0].wait(|seen| matches!(seen, Seen::Handshake(_)));
    for _ in 0..LANE_WORK_REQUESTS {
        peers[0].ask("nothing", true);
    }
    // While it does not shake hands it gets four, and then four more each time.
    let mut dialed = Vec::new();
    let quiet = Duration::from_millis(150);
    let mut most = 0;
    loop {
        let begun = Instant::now();
        let mut waiting = Vec::new();
        while begun.elapsed() < quiet {
            waiting.extend(accept());
            peers[0].turn();
        }
        if waiting.is_empty() {
            break;
        }
        most = most.max(waiting.len());
        for stream in waiting {
            let mut peer = Peer::accepted(stream, 3, &["hello"], claim);
            peer.wait(|seen| matches!(seen, Seen::Handshake(_)));
            let hello = peer.conn.hello().expect("flatend/2");
            dialed.push(hello.lane);
            peers.push(peer);
        }
    }
    assert_eq!(most, LANE_DIALS_MAX);
    dialed.sort_unstable();
    assert_eq!(dialed, (1..LANES_MAX).collect::<Vec<u16>>());
    wait_until("they are one provider", || {
        peers.iter_mut().for_each(Peer::turn);
        let providers = node.node().snapshot().providers(["hello"]);
        providers.len() == 1 && providers[0].links.len() == usize::from(LANES_MAX)
    });
}

#[test]
fn who_dials_lanes_without_end_is_refused_and_the_oldest_of_a_lane_goes() {
    let node = TestNode::with_shards(2, Node::builder().bind("127.0.0.1:0"));
    let claim = |lane| Claim {
        instance: [9; 16],
        shards: 2,
        lane,
    };
    let mut beyond = Peer::dial_as(node.addr(), 3, &[], claim(LANES_MAX));
    beyond.expect_fin();
    let faults = node.faults_of(beyond.addr());
    assert!(
        faults.iter().any(|fault| fault.contains("at most")),
        "{faults:?}"
    );
    let mut last = Peer::dial_as(node.addr(), 3, &[], claim(LANES_MAX - 1));
    last.wait(|seen| matches!(seen, Seen::Handshake(_)));
    let mut same: Vec<Peer> = (0..3)
        .map(|_| {
            let mut peer = Peer::dial_as(node.addr(), 3, &[], claim(1));
            peer.wait(|seen| matches!(seen, Seen::Handshake(_)));
            peer
        })
        .collect();
    same[0].expect_fin();
    let all = || links(&node, 2).iter().sum::<usize>();
    wait_until("two of lane 1 and one of the last", || all() == 3);
}

#[test]
fn a_link_is_handed_to_the_shard_of_its_lane_with_what_came_behind_hello() {
    let node = TestNode::with_shards(2, telling().bind("127.0.0.1:0"));
    // The kernel gives each of them to either shard; their lists of services are in one write with HELLO.
    for (number, lane) in (0..12u8).zip([0, 0, 1].into_iter().cycle()) {
        let claim = Claim {
            instance: [number; 16],
            shards: 2,
            lane,
        };
        let mut peer = Peer::dial_as(node.addr(), number + 10, &["mine"], claim);
        peer.wait(|seen| matches!(seen, Seen::Handshake(_)));
        let stream = peer.ask("where", true);
        assert_eq!(peer.response(stream), 1, "the number of a shard");
        let owner = usize::from((u16::from(number) + lane) % 2);
        let mut expected = [0, 0];
        expected[owner] = 1;
        assert_eq!(links(&node, 2), expected, "lane {lane} of {number}");
        node.wait_providers("mine", 1);
        drop(peer);
        wait_until("it is gone", || links(&node, 2) == [0, 0]);
    }
}

#[test]
fn lists_of_services_are_numbered_for_all_links_of_a_process() {
    let (provider, caller) = pair_of(Dialer::Provider, 2, telling());
    open_lanes(&caller, 2, &[1, 1]);
    let epochs = || -> Vec<u64> {
        let state = caller.node().state();
        state.links().map(|link| link.epoch).collect()
    };
    assert_eq!(epochs(), [1, 1]);
    let node = provider.node();
    node.offer("later", |context| async move { context.send("here").await })
        .expect("a name");
    wait_until("each link has the new list", || epochs() == [2, 2]);
    for shard in 0..2 {
        assert_eq!(
            get(&caller, shard, "later").expect("a response").text(),
            "here"
        );
    }
    assert_eq!(node.withdraw("later"), Ok(true));
    wait_until("and the one after it", || epochs() == [3, 3]);
    assert!(caller.node().snapshot().providers(["later"]).is_empty());
}
