//! The choice of a provider on a virtual clock: where requests go when providers are equal, slow, new, or fail.

mod load;
mod model;
mod trials;
