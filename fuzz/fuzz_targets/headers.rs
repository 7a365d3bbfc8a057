#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| flatend_codec::fuzzing::headers(input));
