//! Leaks: somebody reports strings that they found where everybody can read them. Whichever are credentials of ours are
//! taken back before the answer goes out, and their owners are told.
//!
//! A report's way: who reports proves it ([`Leaks::signed`] and [`Leaks::is_from_github`], or a service key with `leaks:report`) →
//! [`Leaks::report`] reads each string, looks all of them up, and in one transaction takes back what is good, writes the
//! records, the rows of [`LeakReport`], the mail to owners, and at last the revocation log → when no node takes any of it, the
//! reporter has an answer.
//!
//! No reported string goes on from here: not to the log, the trail, a mail, a row or an error. What is kept names the
//! credential, and the address where it was found is cut before whatever may be one.

mod address;
mod github;
mod github_keys;
mod jobs;
mod mail;
mod model;
mod read;
mod report;
mod store;
mod tally;

use std::{fmt, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use github::{Signature, Signed};
pub use jobs::jobs;
pub use model::{Find, Kind, Label, LeakReport, Outcome, Reporter};
pub use report::ReportError;
pub use tally::Count;

use crate::{
    identity::Mailer,
    keys::Keys,
    oauth::Authority,
    types::{AppId, Fault},
};
use github_keys::GithubKeys;
use tally::Tally;

/// All that taking reports works with. Clones share everything.
#[derive(Clone)]
pub struct Leaks {
    authority: Authority,
    keys: Keys,
    mailer: Mailer,
    github: Arc<GithubKeys>,
    tally: Arc<Tally>,
    places: Arc<Semaphore>,
}

/// Large reports that a node has in memory at a time: their senders are known by their signature, which is over all of it.
const PLACES: usize = 8;

impl Leaks {
    /// # Errors
    ///
    /// If the address of GitHub's keys makes no sense.
    pub fn new(authority: Authority, keys: Keys, mailer: Mailer) -> Result<Self, Fault> {
        let github = GithubKeys::new(&authority.config.leaks, authority.clock.clone())?;
        Ok(Self {
            authority,
            keys,
            mailer,
            github: Arc::new(github),
            tally: Arc::default(),
            places: Arc::new(Semaphore::new(PLACES)),
        })
    }

    /// A place for a report that is large, while somebody has it in memory.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] if there is none.
    pub fn place(&self) -> Result<OwnedSemaphorePermit, Fault> {
        self.places
            .clone()
            .try_acquire_owned()
            .map_err(Fault::unavailable)
    }

    /// The last reports of what belongs to an app, newest first, up to `most`.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn reports_of_app(&self, app: AppId, most: u32) -> Result<Vec<LeakReport>, Fault> {
        store::reports_of_app(&mut *self.authority.db.connection().await?, app, i64::from(most)).await
    }

    /// How many reports came to this node, and what was found in them, since it started.
    #[must_use]
    pub fn counts(&self) -> Vec<Count> {
        self.tally.counts()
    }
}

impl fmt::Debug for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaks")
    }
}
