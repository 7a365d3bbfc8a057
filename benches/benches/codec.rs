//! The codec beside ring and plain copies.

mod support;

fn main() {
    support::measure("codec", flatend_benches::codec_cases());
}
