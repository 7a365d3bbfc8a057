//! What measurements of any kind share: processes on chosen cores and what they used, latencies, the machine, reports.
//!
//! Owns no load: the program `loadtest` and the benchmarks of calls (`benches/rpc`) bring theirs. The invariant that a change is
//! likeliest to break: what is started here is ended here, whatever happens.

pub mod cpu_time;
pub mod histogram;
pub mod latency;
pub mod limits;
pub mod machine;
pub mod placement;
pub mod proc_stat;
pub mod process;
pub mod report;
pub mod stats;
pub mod stop;
pub mod usage;
