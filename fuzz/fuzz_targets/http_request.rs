#![no_main]

#[path = "../../http/tests/support/mod.rs"]
mod support;
#[path = "../../http/tests/fuzz/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::request(input));
