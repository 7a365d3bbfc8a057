//! A whole request in process beside the libraries underneath.

mod support;

fn main() {
    support::measure("request", flatend_benches::request::cases());
}
