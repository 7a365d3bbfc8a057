//! flatend/2 in the codec: frames by size, requests a frame, windows.

mod support;

fn main() {
    support::measure("flatend2", flatend_benches::flatend2::cases());
}
