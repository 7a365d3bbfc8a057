//! Every mistake has its sentence; what is at a limit passes.

use super::*;
use crate::node::Node;

fn found(builder: NodeBuilder) -> Vec<String> {
    findings(&builder)
}

#[test]
fn a_relay_has_an_identity_and_its_mark_is_no_service() {
    let nobody = found(Node::builder().relay(true));
    assert!(
        nobody.len() == 1 && nobody[0].contains("call bind"),
        "{nobody:?}"
    );
    assert!(found(Node::builder().relay(true).bind("127.0.0.1:0")).is_empty());
    let marked = Node::builder().service(RELAY_SERVICE, |context| context.send(""));
    let marked = found(marked);
    assert!(
        marked.len() == 1 && marked[0].contains("relay(true)"),
        "{marked:?}"
    );
}

#[test]
fn every_mistake_has_its_sentence_and_all_are_told() {
    let node = Node::builder()
        .bind("9000")
        .bind(":9000")
        .bind("[::1]:9000")
        .bind("[::1]:9000")
        .bind("127.0.0.1:0")
        .bind("127.0.0.1:0")
        .bootstrap("http://gateway:9000")
        .bootstrap("::1:9000")
        .bootstrap("gateway:0")
        .bootstrap("gateway:90000")
        .bootstrap("gateway:9000")
        .bootstrap("gateway:9000")
        .bootstrap("[::1]:9000")
        .secret_key([0; 32])
        .shards(0);
    assert_eq!(
        found(node),
        [
            "cannot listen on '9000': a port is missing; write HOST:PORT, as in 127.0.0.1:9000",
            "cannot listen on ':9000': a host is missing; write HOST:PORT, as in 127.0.0.1:9000; 0.0.0.0 and [::] stand for all addresses of this machine",
            "'[::1]:9000' is given to listen on twice",
            "cannot dial 'http://gateway:9000': http:// has no place here; write HOST:PORT, as in 127.0.0.1:9000",
            "cannot dial '::1:9000': an IPv6 address stands in brackets, as in [::1]:9000",
            "cannot dial 'gateway:0': port 0 is no port of a node",
            "cannot dial 'gateway:90000': '90000' is no port, 1 to 65535; write HOST:PORT, as in 127.0.0.1:9000",
            "'gateway:9000' is given to dial twice",
            "the secret key is all zeros: make one with SecretKey::generate, or name a file with secret_key_file",
            "0 shards make no sense: 1 to 1024 are possible",
        ]
    );
}

#[test]
fn an_address_needs_an_identity() {
    let addr = |text: &str| text.parse().expect("an address");
    let key = || Node::builder().secret_key([7; 32]);
    // It is proved on flatend/2 without an address too.
    assert!(found(key()).is_empty());
    assert!(found(key().bind("127.0.0.1:0")).is_empty());
    assert!(found(key().public_addr(addr("10.0.0.1:9000"))).is_empty());
    assert_eq!(
        found(Node::builder().public_addr(addr("10.0.0.1:9000"))),
        ["the public address 10.0.0.1:9000 without an identity to show it with: give a secret key, or call bind"]
    );
    for (shown, why) in [
        ("10.0.0.1:0", "port 0 is no port of a node"),
        (
            "0.0.0.0:9000",
            "it stands for all addresses of a machine; name one of them",
        ),
        (
            "[::]:9000",
            "it stands for all addresses of a machine; name one of them",
        ),
        ("224.0.0.1:9000", "it is the address of many"),
        ("255.255.255.255:9000", "it is the address of many"),
    ] {
        assert_eq!(
            found(key().public_addr(addr(shown))),
            [format!(
                "the public address {shown} cannot be dialed by others: {why}"
            )]
        );
    }
    assert_eq!(
        found(key().bind("127.0.0.1:0").secret_key_file("node.key")),
        ["a secret key and the file 'node.key' of one are given: one of them is enough"]
    );
}

#[test]
fn names_of_services_at_their_limits() {
    let offering = |names: &[&str]| {
        names.iter().fold(Node::builder(), |node, name| {
            node.service(name, |context| async move { context.send("").await })
        })
    };
    let (longest, longer) = ("n".repeat(255), "n".repeat(256));
    assert!(found(offering(&[&longest, "a"])).is_empty());
    assert_eq!(
        found(offering(&["", "a", "a"])),
        [
            "the service name '' has 0 bytes; 1 to 255 are possible",
            "the service 'a' is given twice"
        ]
    );
    assert!(found(offering(&[&longer]))[0].contains("has 256 bytes"));
    let many: Vec<String> = (0..256).map(|i| i.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(found(offering(&many[..255])).is_empty());
    assert_eq!(
        found(offering(&many)),
        ["256 services: a node can offer 255; start a second node for the rest"]
    );
}

#[test]
fn a_handshake_that_a_peer_could_not_take_is_found() {
    let names = |count: usize| -> Vec<String> { (0..count).map(|i| format!("{i:0>99}")).collect() };
    assert_eq!(handshake_fits(&names(40), None), Ok(()));
    let sentence = handshake_fits(&names(41), None).expect_err("it is too large");
    assert!(
        sentence.contains("a Go peer takes 4076") && sentence.contains("fewer or shorter"),
        "{sentence}"
    );
}
