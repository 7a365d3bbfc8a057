//! Routes beside matchit.

mod support;

fn main() {
    support::measure("router", flatend_benches::router::cases());
}
