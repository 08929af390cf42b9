pub(super) mod counts;
pub(super) mod keys;
pub(super) mod last_use;
pub(super) mod read;
pub(super) mod roll;
pub(super) mod samples;
