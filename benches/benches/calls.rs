//! Calls over loopback.

mod support;

fn main() {
    support::measure("calls", flatend_benches::calls::cases());
}
