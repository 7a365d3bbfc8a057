//! Request heads beside httparse.

mod support;

fn main() {
    support::measure("head", flatend_benches::head::cases());
}
