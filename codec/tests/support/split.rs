//! Every script of bytes is fed whole, byte by byte, and cut at every position: what happens must be the same.

/// Calls `play` with the pieces of `script` for each way to cut it in two, for one piece, and for single bytes; all must give the same.
pub fn for_each_split<T: PartialEq + std::fmt::Debug>(
    script: &[u8],
    mut play: impl FnMut(&[&[u8]]) -> T,
) -> T {
    let whole = play(&[script]);
    let single: Vec<&[u8]> = script.chunks(1).collect();
    assert_eq!(play(&single), whole, "byte by byte");
    for at in 0..=script.len() {
        let (front, back) = script.split_at(at);
        assert_eq!(play(&[front, back]), whole, "cut at {at}");
    }
    whole
}
