//! The claims that hold between the crates: every device equals core's closed forms, fused equals
//! decomposed, packed equals separate, cached equals recomputed, core equals verl and TRL.
//!
//! One binary, so that burn is linked once. Cases are data, in `cases/`.

mod beam_search;
mod cancellation;
mod decoder;
mod determinism;
mod device;
mod fused;
mod golden;
mod group_loss;
mod log_prob;
mod micro_batches;
mod numbers;
mod objective;
mod packing;
mod precision;
mod tolerance;
