//! The flatend binary.
fn main() {}
