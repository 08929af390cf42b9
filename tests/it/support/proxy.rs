//! A cable between a node and its database that a test can cut, or clamp so that it carries nothing and says
//! nothing.

use std::path::PathBuf;

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream, unix::OwnedReadHalf, unix::OwnedWriteHalf},
    sync::watch,
    task::JoinSet,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Whole,
    /// Connections are closed, and so is each new one.
    Cut,
    /// Connections stay open and carry nothing.
    Clamped,
}

/// A Unix socket in a folder of its own that leads to the socket of a database.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    state: watch::Sender<State>,
    _folder: TempDir,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// A cable to the database at `url`, as [`super::cluster`] writes it.
    pub fn to(url: &str) -> Self {
        let parsed: tokio_postgres::Config = url.parse().unwrap();
        let Some(tokio_postgres::config::Host::Unix(target)) = parsed.get_hosts().first() else {
            panic!("{url} names no socket");
        };
        let folder = tempfile::tempdir().unwrap();
        let url = format!(
            "postgresql:///{}?user={}&host={}",
            parsed.get_dbname().unwrap(),
            parsed.get_user().unwrap(),
            folder.path().display()
        );
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let (state, _) = watch::channel(State::Whole);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target.join(".s.PGSQL.5432"), state.subscribe()));
        Self {
            url,
            state,
            _folder: folder,
            _tasks: tasks,
        }
    }

    /// The database's URL by this cable.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    pub fn clamp(&self) {
        self.state.send_replace(State::Clamped);
    }

    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

async fn accept(listener: UnixListener, target: PathBuf, state: watch::Receiver<State>) {
    let mut connections = JoinSet::new();
    loop {
        let (near, _) = listener.accept().await.unwrap();
        connections.spawn(carry(near, target.clone(), state.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(near: UnixStream, target: PathBuf, mut state: watch::Receiver<State>) {
    if *state.borrow_and_update() == State::Cut {
        return;
    }
    let Ok(far) = UnixStream::connect(target).await else {
        return;
    };
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let was_cut = async {
        let _ = state.clone().wait_for(|state| *state == State::Cut).await;
    };
    tokio::select! {
        () = was_cut => {}
        () = pass(near_read, far_write, state.clone()) => {}
        () = pass(far_read, near_write, state.clone()) => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if state.wait_for(|state| *state != State::Clamped).await.is_err()
            || to.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }
}
