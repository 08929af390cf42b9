use diesel_async::AsyncMigrationHarness;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connect::{Use, connect};
use crate::types::Fault;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Any number will do, so long as every version of the server takes the same.
const MIGRATION_LOCK: i64 = 0x00c1_a714_e500_0001;

/// Brings the database at `url` (of the role that owns the tables) up to this build's schema, and returns
/// the names of what was applied. Nodes that start together take turns.
///
/// # Errors
///
/// If the database is out of reach, or a migration fails; what was applied before it stays.
pub async fn migrate(url: &str) -> Result<Vec<String>, Fault> {
    use diesel_async::SimpleAsyncConnection as _;

    let applied = with_harness(url, |harness| {
        harness
            .run_pending_migrations(MIGRATIONS)
            .map(|applied| applied.iter().map(ToString::to_string).collect())
    })
    .await?;
    connect(url, Use::Listening)
        .await?
        .batch_execute(&format!(
            "SELECT pg_advisory_xact_lock({MIGRATION_LOCK}); {TRAIL_IS_APPEND_ONLY}"
        ))
        .await?;
    Ok(applied)
}

/// As the first migration says it. Said again, because loading a dump into a database whose new tables are the
/// serving role's to change gives it those rights back.
const TRAIL_IS_APPEND_ONLY: &str = "
    DO $$ BEGIN
        IF to_regrole('claviger') IS NOT NULL
            AND has_table_privilege('claviger', 'audit_records', 'UPDATE, DELETE, TRUNCATE')
        THEN
            REVOKE UPDATE, DELETE, TRUNCATE ON audit_records FROM claviger;
        END IF;
    END $$";

/// The names of the migrations that this build has and the database at `url` has not.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn pending_migrations(url: &str) -> Result<Vec<String>, Fault> {
    with_harness(url, |harness| {
        harness.pending_migrations(MIGRATIONS).map(|pending| {
            pending
                .iter()
                .map(|migration| migration.name().to_string())
                .collect()
        })
    })
    .await
}

async fn with_harness<T: Send + 'static>(
    url: &str,
    act: impl FnOnce(&mut Harness) -> diesel::migration::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    use diesel_async::SimpleAsyncConnection as _;

    let mut connection = connect(url, Use::Listening).await?;
    connection
        .batch_execute(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})"))
        .await?;
    // The harness blocks on the runtime it is called from, so it gets a thread of its own. The lock goes
    // with the connection.
    tokio::task::spawn_blocking(move || act(&mut AsyncMigrationHarness::new(connection)))
        .await
        .map_err(Fault::internal)?
        .map_err(Fault::internal)
}

type Harness = AsyncMigrationHarness<diesel_async::AsyncPgConnection>;
