mod sessions;
mod users;

pub(super) use sessions::*;
pub(super) use users::*;
