//! Static files, as pure cores: which file a path names, which form of it the client wants, and what of that it gets.
//!
//! Owns paths, validators, preconditions, ranges, codings and listings as values. Refuses to open anything: [`reader`] does,
//! the one part that knows the runtime. The invariant that a change is likeliest to break: a name that a path gives is one
//! that a directory can hold, segment by segment, so that whoever joins it never climbs; the kernel looks again all the same
//! (`RESOLVE_BENEATH`).

mod coding;
mod condition;
mod content_type;
mod etag;
mod listing;
mod path;
mod range;
pub mod reader;

pub use coding::{Accepts, Coding};
pub use condition::{Conditions, Validators, Verdict};
pub use content_type::content_type;
pub use etag::etag;
pub use listing::{page, Row};
pub use path::{resolve, takes_fallback, NoSuchName, Resolved};
pub use range::{Multipart, Span};
