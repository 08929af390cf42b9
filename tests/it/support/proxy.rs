//! A cable between a node and its database that a test can cut, or clamp so that it carries nothing and says
//! nothing.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

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

/// What the node has sent while somebody listened, as it was sent.
#[derive(Clone, Debug, Default)]
pub struct Heard(Arc<Mutex<Option<Vec<Vec<u8>>>>>);

impl Heard {
    fn note(&self, bytes: &[u8]) {
        if let Some(heard) = &mut *self.0.lock().unwrap() {
            heard.push(bytes.to_vec());
        }
    }

    /// Ends the listening.
    pub fn take(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().take().unwrap_or_default()
    }
}

/// A Unix socket in a folder of its own that leads to the socket of a database.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    state: watch::Sender<State>,
    heard: Heard,
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
        let heard = Heard::default();
        let target = target.join(".s.PGSQL.5432");
        tasks.spawn(accept(listener, target, state.subscribe(), heard.clone()));
        Self {
            url,
            state,
            heard,
            _folder: folder,
            _tasks: tasks,
        }
    }

    /// The database's URL by this cable.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Keeps what the node sends from now on.
    pub fn listen(&self) -> Heard {
        *self.heard.0.lock().unwrap() = Some(Vec::new());
        self.heard.clone()
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

async fn accept(listener: UnixListener, target: PathBuf, state: watch::Receiver<State>, heard: Heard) {
    let mut connections = JoinSet::new();
    loop {
        let (near, _) = listener.accept().await.unwrap();
        connections.spawn(carry(near, target.clone(), state.clone(), heard.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(near: UnixStream, target: PathBuf, mut state: watch::Receiver<State>, heard: Heard) {
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
        () = pass(near_read, far_write, state.clone(), |bytes| heard.note(bytes)) => {}
        () = pass(far_read, near_write, state.clone(), |_| {}) => {}
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    note: impl Fn(&[u8]),
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        note(&bytes[..count]);
        if state.wait_for(|state| *state != State::Clamped).await.is_err()
            || to.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }
}
