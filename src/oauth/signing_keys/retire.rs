//! The end of a signing key that has leaked.

use time::OffsetDateTime;

use super::{SigningKeys, store};
use crate::{
    audit::{Action, Actor, Record, Subject},
    crypto::Keyring,
    types::Fault,
};

impl SigningKeys {
    /// Ends the key `kid` when every node has heard of it, after [`Keyring::LEAD`]: nothing that it signed verifies
    /// here any more, and it leaves the key set. If it was to go on signing, a successor signs from that moment on,
    /// however short the time for clients to read of it. Returns that moment; none if there is no such key.
    ///
    /// # Errors
    ///
    /// As [`SigningKeys::load`].
    pub async fn retire(&self, kid: &str, actor: Actor) -> Result<Option<OffsetDateTime>, Fault> {
        self.reload(&mut *self.db.connection().await?).await?;
        let now = self.clock.now();
        let at = now + Keyring::LEAD;
        let keys = self.current();
        let Some(own) = keys.published.iter().find(|own| own.key.kid() == kid) else {
            return Ok(None);
        };
        let algorithm = own.key.algorithm();
        let is_last = keys
            .published
            .iter()
            .all(|other| other.key.algorithm() != algorithm || other.signs_from <= own.signs_from);
        if is_last {
            self.add(algorithm, Some(own.signs_from), at, actor).await?;
        }
        let mut transaction = self.db.begin().await?;
        store::lock(&mut transaction).await?;
        store::hasten(&mut transaction, algorithm, at).await?;
        store::end(&mut transaction, kid, at).await?;
        Record::done(now, actor, Action::ServerKeyRetired, Subject::Key(kid.to_owned()))
            .detail("algorithm", store::name(algorithm))
            .write(&mut transaction)
            .await?;
        transaction.commit().await?;
        self.reload(&mut *self.db.connection().await?).await?;
        Ok(Some(at))
    }
}
