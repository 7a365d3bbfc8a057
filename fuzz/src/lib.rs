//! What the targets share with the tests that replay their corpora. The modules stand where those tests have them.

#[path = "../../codec/tests/fuzz/caller.rs"]
pub mod caller;
#[path = "../../codec/tests/fuzz/links.rs"]
pub mod links;
#[path = "../../codec/tests/fuzz/network.rs"]
pub mod network;
#[path = "../../codec/tests/fuzz/pair.rs"]
pub mod pair;
#[path = "../../codec/tests/fuzz/shadow.rs"]
pub mod shadow;
#[path = "../../codec/tests/support/mod.rs"]
pub mod support;

#[path = "../../engine/tests/fuzz/join.rs"]
pub mod join;
