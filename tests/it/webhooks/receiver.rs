//! Somebody else's server, as plain as can be: keeps what it is sent, and answers what it is told to.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::Notify,
    task::JoinHandle,
};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub line: String,
    /// By their names in lower case.
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Received {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    Status(u16),
    /// A head as it is, without the blank line, and a body.
    Whole(String, String),
    /// Nothing, and the connection stays open.
    Silence,
    /// This status, when it is time.
    Later(Arc<Notify>, u16),
}

pub struct Receiver {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    replies: Vec<Reply>,
    then: Option<Reply>,
}

impl Receiver {
    pub async fn start() -> Self {
        Self::wrapped(async |stream| Some(stream)).await
    }

    /// One that puts something around each connection: TLS.
    pub async fn wrapped<S, F>(wrap: impl Fn(tokio::net::TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = Option<S>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        let wrap = Arc::new(wrap);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (state, wrap) = (shared.clone(), wrap.clone());
                tokio::spawn(async move {
                    if let Some(stream) = wrap(stream).await {
                        serve(stream, &state).await;
                    }
                });
            }
        });
        Self {
            address,
            state,
            serving,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next answers, one after another; 200 afterwards.
    pub fn answers(&self, replies: impl IntoIterator<Item = Reply>) {
        let mut state = self.state.lock().unwrap();
        state.replies = replies.into_iter().collect();
        state.then = None;
    }

    /// What is answered from now on.
    pub fn always(&self, reply: Reply) {
        let mut state = self.state.lock().unwrap();
        state.replies.clear();
        state.then = Some(reply);
    }

    pub fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    /// What has come since this was last called.
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.state.lock().unwrap().received)
    }

    /// The types of the events that came, in order.
    pub fn types(&self) -> Vec<String> {
        self.received()
            .iter()
            .map(|received| received.json()["type"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: &Mutex<State>) {
    let Some(received) = read(&mut stream).await else {
        return;
    };
    let reply = {
        let mut state = state.lock().unwrap();
        state.received.push(received);
        if state.replies.is_empty() {
            state.then.clone().unwrap_or(Reply::Status(200))
        } else {
            state.replies.remove(0)
        }
    };
    let (head, body) = match reply {
        Reply::Status(status) => (format!("HTTP/1.1 {status} Said"), format!("said {status}")),
        Reply::Whole(head, body) => (head, body),
        Reply::Silence => std::future::pending().await,
        Reply::Later(time, status) => {
            time.notified().await;
            (format!("HTTP/1.1 {status} Said"), String::new())
        }
    };
    let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    // The other side may have gone.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let headers: HashMap<_, _> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Received {
        line,
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}
