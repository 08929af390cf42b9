//! API keys: who may call, for which app, for what, and how often.

pub mod limits;

use std::time::Duration;

/// How long a request that is sent again with its `Idempotency-Key` gets the answer of the first one.
pub const IDEMPOTENT_FOR: Duration = Duration::from_hours(24);
