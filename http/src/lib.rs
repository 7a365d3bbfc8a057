//! HTTP/1.1 for flatend.
#![deny(unsafe_code)]

pub mod date;
pub mod error;
pub mod h1;
pub mod headers;
pub mod limits;
pub mod percent;
pub mod query;
pub mod router;

pub use error::{LimitHit, RequestError, ResponseError};
