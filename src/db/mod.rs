//! PostgreSQL: the pool, transactions, the embedded cluster, migrations. With `store.rs` files the only
//! place that knows diesel.

mod connect;
pub mod embedded;
mod error;
mod inspect;
mod migrate;
mod pool;
mod prepared;
pub mod schema;
mod tls;
mod together;
mod transaction;
mod url;
mod watch;

pub use error::is_unique_violation;
pub use inspect::{Inspection, inspect};
pub use migrate::{migrate, pending_migrations};
pub use pool::{Connection, Db, PoolUsage};
pub use prepared::Prepared;
pub use together::Together;
pub use transaction::Transaction;
