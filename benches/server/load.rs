//! Load: connections that are kept open, each with one request under way. Written on the bare socket, so that the
//! generator takes as little of the machine as it can from what it measures.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::process::Process;

/// What came of a loaded row.
pub(crate) struct Loaded {
    /// Requests, or whole flows, a second.
    pub(crate) rate: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Of the server, for each request; none where the row is not ours.
    pub(crate) cpu: Option<Duration>,
}

impl Loaded {
    pub(crate) fn of(mut times: Vec<Duration>, took: Duration, cpu: Option<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        let count = u32::try_from(times.len()).expect("fewer than four billion requests");
        Self {
            rate: f64::from(count) / took.as_secs_f64(),
            p50: at(50),
            p99: at(99),
            cpu: cpu.map(|cpu| cpu / count),
        }
    }
}

pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

pub(crate) fn get_with_cookie(path: &str, cookie: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n").into_bytes()
}

pub(crate) fn post(path: &str, authorization: Option<&str>, body: &str) -> Vec<u8> {
    let authorization = authorization
        .map(|value| format!("Authorization: {value}\r\n"))
        .unwrap_or_default();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub(crate) fn post_json(path: &str, authorization: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// An answer: enough of HTTP/1.1 for a server that sends `Content-Length`.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("TCP");
        Self {
            stream,
            buffer: Vec::with_capacity(8_192),
        }
    }

    pub(crate) async fn call(&mut self, request: &[u8]) -> Answer {
        self.stream.write_all(request).await.expect("sent");
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("answered");
            assert!(read > 0, "the server closed the connection");
            let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&self.buffer[..end]).expect("ASCII headers");
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")
                        .map(str::to_owned)
                })
                .map_or(0, |length| length.parse::<usize>().expect("a length"));
            if self.buffer.len() < end + 4 + length {
                continue;
            }
            return Answer {
                status: head[9..12].parse().expect("a status"),
                head: head.to_owned(),
                body: String::from_utf8_lossy(&self.buffer[end + 4..]).into_owned(),
            };
        }
    }

    /// The same, for an answer that only has to be good.
    pub(crate) async fn repeat(&mut self, request: &[u8]) {
        let answer = self.call(request).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

/// Loads `address` with one and the same request.
pub(crate) async fn repeat(
    address: SocketAddr,
    connections: usize,
    each: Duration,
    server: &Process,
    request: &[u8],
) -> Loaded {
    let run = |until: Instant| {
        let tasks: Vec<_> = (0..connections)
            .map(|_| {
                let request = request.to_vec();
                tokio::spawn(async move {
                    let mut connection = Connection::open(address).await;
                    let mut times = Vec::new();
                    while Instant::now() < until {
                        let sent = Instant::now();
                        connection.repeat(&request).await;
                        times.push(sent.elapsed());
                    }
                    times
                })
            })
            .collect();
        async {
            let mut times = Vec::new();
            for task in tasks {
                times.extend(task.await.expect("a connection's task"));
            }
            times
        }
    };
    run(Instant::now() + Duration::from_secs(1)).await;
    let (began, cpu) = (Instant::now(), server.cpu());
    let times = run(began + each).await;
    Loaded::of(times, began.elapsed(), Some(server.cpu().saturating_sub(cpu)))
}
