//! Messages between shards beside a bare queue and an eventfd.

mod support;

fn main() {
    support::measure("mailbox", flatend_benches::mailbox::cases());
}
