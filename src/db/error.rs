use diesel::result::{ConnectionError, DatabaseErrorKind, Error};

use crate::types::Fault;

/// Whether an insert met a row that is there already.
#[must_use]
pub fn is_unique_violation(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match &error {
            Error::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::SerializationFailure
                | DatabaseErrorKind::ReadOnlyTransaction
                | DatabaseErrorKind::UnableToSendCommand,
                _,
            )
            | Error::BrokenTransactionManager => Self::unavailable(error),
            Error::DatabaseError(DatabaseErrorKind::Unknown, information)
                if is_outage(information.message()) =>
            {
                Self::unavailable(error)
            }
            _ => Self::internal(error),
        }
    }
}

/// PostgreSQL's own words when it is going down, coming up, or full; diesel hands on no code for them.
fn is_outage(message: &str) -> bool {
    [
        "terminating connection",
        "the database system is",
        "connection closed",
        "too many clients",
        "remaining connection slots",
        "could not extend file",
        "No space left on device",
        "could not write",
        "canceling statement due to",
        "deadlock detected",
    ]
    .iter()
    .any(|sign| message.contains(sign))
}

impl From<ConnectionError> for Fault {
    fn from(error: ConnectionError) -> Self {
        Self::unavailable(error)
    }
}
