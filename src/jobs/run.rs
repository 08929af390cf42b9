use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::{Job, Tally, store};
use crate::{
    db::Db,
    types::{Clock, Fault},
};

/// A node looks for work soon after it started, so that a server that is often restarted cleans up too.
const FIRST_LOOK: Duration = Duration::from_secs(10);
/// How long a look may take to reach the database.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a turn of a job went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It ran, and dealt with so many rows.
    Done(u64),
    /// Another node is at it, or was a moment ago.
    Elsewhere,
}

/// Runs jobs.
#[derive(Clone, Debug)]
pub struct Runner {
    db: Db,
    clock: Clock,
    jobs: Arc<[Job]>,
}

/// The jobs of a running server.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Runner {
    #[must_use]
    pub fn new(db: Db, clock: Clock, jobs: Vec<Job>) -> Self {
        Self {
            db,
            clock,
            jobs: jobs.into(),
        }
    }

    /// The names of the jobs.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.jobs.iter().map(Job::name)
    }

    /// What each job did on this node.
    pub fn tallies(&self) -> impl Iterator<Item = Tally> {
        self.jobs.iter().map(Job::tally)
    }

    /// Runs the job `name` now, whenever it ran last, unless another node is at it.
    ///
    /// # Errors
    ///
    /// What the job failed with; or if there is no such job, or the database is out of reach.
    pub async fn run_once(&self, name: &str) -> Result<Run, Fault> {
        let index = self
            .names()
            .position(|known| known == name)
            .ok_or_else(|| Fault::internal(format!("there is no job {name:?}")))?;
        self.turn(index, false).await
    }

    /// Runs each job as often as it asks for, until told to stop.
    #[must_use]
    pub fn start(&self) -> Running {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (index, job) in self.jobs.iter().enumerate() {
            let (runner, mut stopped) = (self.clone(), stopped.clone());
            let (name, every) = (job.name, job.every);
            tasks.spawn(async move {
                let mut pause = every.min(FIRST_LOOK);
                // Only the pause is cut short: a run that has begun comes to its end.
                while timeout(pause, stopped.changed()).await.is_err() {
                    pause = every;
                    match runner.turn(index, true).await {
                        Ok(Run::Done(rows)) => tracing::debug!(job = name, rows, "job done"),
                        Ok(Run::Elsewhere) => {}
                        Err(fault) => tracing::error!(job = name, %fault, "job failed; it will run again"),
                    }
                }
            });
        }
        Running { stop, tasks }
    }

    async fn turn(&self, index: usize, only_if_due: bool) -> Result<Run, Fault> {
        let Some(job) = self.jobs.get(index) else {
            return Ok(Run::Elsewhere);
        };
        // The lock lives and dies with this connection, so it is not one of the pool.
        let mut connection = timeout(PATIENCE, self.db.dedicated())
            .await
            .map_err(Fault::unavailable)??;
        if !store::lock(&mut connection, job.name).await? {
            return Ok(Run::Elsewhere);
        }
        let now = self.clock.now();
        if only_if_due
            && let Some(last) = store::last_start(&mut connection, job.name).await?
            // Turns of several nodes are not in step: half the time between them still counts as a turn.
            && last <= now
            && now - last < job.every / 2
        {
            return Ok(Run::Elsewhere);
        }
        store::started(&mut connection, job.name, now).await?;
        // A panic ends this run and not all later ones. The work is in no task of its own: one that is given up must end
        // before its lock does, or another node would be at it beside this one.
        let result = AssertUnwindSafe((job.work)(self.db.clone(), now))
            .catch_unwind()
            .await
            .unwrap_or_else(|_panic| Err(Fault::internal("a bug: the job panicked; the log says where")));
        job.count(result.as_ref().ok().copied());
        let outcome = result.as_ref().map(|rows| *rows).map_err(ToString::to_string);
        store::finished(&mut connection, job.name, self.clock.now(), outcome).await?;
        store::unlock(&mut connection, job.name).await?;
        result.map(Run::Done)
    }
}

impl Running {
    /// Lets each run that has begun come to its end, and starts no other.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a job's task had failed");
            }
        }
    }
}
