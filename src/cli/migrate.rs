//! `claviger migrate`: where migrations are run apart from serving.

use super::{Refused, output::say, reach};
use crate::{
    config::{Config, Environment},
    db,
};

pub(super) async fn run(config: Config, environment: &Environment) -> Result<(), Refused> {
    let reached = reach::database(&config, environment).await?;
    let applied = db::migrate(&reached.urls.owner).await;
    reached.leave().await;
    let applied = applied?;
    if applied.is_empty() {
        say("Nothing to do: the database is up to date.");
    }
    for name in applied {
        say(&format!("Applied {name}"));
    }
    Ok(())
}
