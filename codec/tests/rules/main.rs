//! One test or more for each row of protocol.md section 6, named after its id in `dialect::RULES`. What only sockets, routing or HTTP
//! can show is tested there; the test here then shows the part of the codec and says where the rest is.

#[path = "../support/mod.rs"]
mod support;

mod both;
mod go;
mod go_links;
mod go_stalls;
mod node;
mod node_streams;

/// A rule without a test here is a rule that nobody keeps.
#[test]
fn every_rule_has_a_test_named_after_its_id() {
    let tests = [
        include_str!("go.rs"),
        include_str!("go_links.rs"),
        include_str!("go_stalls.rs"),
        include_str!("node.rs"),
        include_str!("node_streams.rs"),
        include_str!("both.rs"),
    ]
    .concat();
    for rule in flatend_codec::dialect::RULES {
        let prefix = format!("#[test]\nfn {}_", rule.id.to_lowercase());
        assert!(
            tests.contains(&prefix),
            "{} ({}) has no test",
            rule.id,
            rule.does
        );
    }
}
