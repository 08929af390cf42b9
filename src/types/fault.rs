use std::{error::Error, fmt};

use super::InvalidId;

/// Something went wrong that is not the caller's doing. Its cause goes to the log with the request id and
/// nowhere else; the caller gets a 500, or a 503 where trying again makes sense.
#[derive(Debug)]
pub enum Fault {
    /// The database or another part cannot be reached now, or a node may not answer from memory: 503.
    Unavailable(Box<dyn Error + Send + Sync>),
    /// A bug, or data that makes no sense: 500.
    Internal(Box<dyn Error + Send + Sync>),
}

impl Fault {
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into())
    }

    /// A row that cannot be what the code says it is.
    #[must_use]
    pub fn inconsistent(table: &str, column: &str, id: impl fmt::Display) -> Self {
        Self::internal(format!(
            "inconsistent row: {table}.{column} of {id} makes no sense"
        ))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(cause) => write!(f, "unavailable: {cause}"),
            Self::Internal(cause) => write!(f, "internal: {cause}"),
        }
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable(cause) | Self::Internal(cause) => Some(cause.as_ref()),
        }
    }
}

impl From<InvalidId> for Fault {
    fn from(cause: InvalidId) -> Self {
        Self::internal(cause)
    }
}
