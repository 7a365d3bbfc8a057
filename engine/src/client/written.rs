//! How far the body of a request is that is written piece by piece, on a shard and by other threads alike.

/// ```text
/// Open ──finish──▶ Ended
///   ├──provider or reader gone──▶ Refused
///   └──writer dropped──▶ Dropped: the request is given up
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// More may come.
    Open,
    /// It is complete.
    Ended,
    /// The provider takes no more.
    Refused,
    /// Its writer left before the end.
    Dropped,
}
