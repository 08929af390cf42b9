//! Load: connections that are kept open, each with one request under way. Written on the bare socket, so that the
//! generator takes as little of the machine as it can from what it measures.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{CONNECTIONS, process::Process};

/// Threads of the generator: as many as the machine has processors, so that it is never what the load waits for.
const THREADS: usize = 2;

/// What came of a loaded row.
#[derive(Default)]
pub(crate) struct Loaded {
    /// Of each request, or whole flow.
    times: Vec<Duration>,
    took: Duration,
    /// Of the servers; none where they are not started by us.
    cpu: Option<Duration>,
}

impl Loaded {
    pub(crate) const fn new(times: Vec<Duration>, took: Duration, cpu: Option<Duration>) -> Self {
        Self { times, took, cpu }
    }

    /// Requests, or whole flows, a second.
    pub(crate) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.took.as_secs_f64()
    }

    /// Of the servers, for each request.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        let count = u32::try_from(self.times.len()).expect("fewer than four billion requests");
        self.cpu.map(|cpu| cpu / count)
    }

    /// The times that so many per cent of the requests did not take longer than.
    pub(crate) fn percentiles<const N: usize>(&self, percents: [usize; N]) -> [Duration; N] {
        let mut times = self.times.clone();
        times.sort_unstable();
        percents.map(|percent| times[(times.len() - 1) * percent / 100])
    }

    pub(crate) fn add(&mut self, more: Self) {
        self.times.extend(more.times);
        self.took += more.took;
        self.cpu = more.cpu.map(|cpu| cpu + self.cpu.unwrap_or_default());
    }
}

/// Loads in turn what bounds a row and the row itself, so that both meet the same neighbours: the limit first.
pub(crate) fn in_turn(
    each: Duration,
    limit: impl Fn(Duration) -> Loaded,
    row: impl Fn(Duration) -> Loaded,
) -> (Loaded, Loaded) {
    const ROUNDS: u32 = 3;
    let mut both = (Loaded::default(), Loaded::default());
    for _ in 0..ROUNDS {
        both.0.add(limit(each / ROUNDS));
        both.1.add(row(each / ROUNDS));
    }
    both
}

#[derive(Clone, Copy)]
pub(crate) enum Until {
    After(Duration),
    /// That many requests.
    Count(usize),
}

/// Runs `work` on connections to these servers, spread evenly over them, until it is enough. `work` is told a number that no
/// other call has.
pub(crate) fn drive(
    servers: &[(SocketAddr, &Process)],
    until: Until,
    work: &(impl AsyncFn(&mut Connection, usize) + Sync),
) -> Loaded {
    let cpu = || servers.iter().map(|(_, process)| process.cpu()).sum::<Duration>();
    let (began, used, done) = (Instant::now(), cpu(), AtomicUsize::new(0));
    let goes_on = |now: Instant| match until {
        Until::After(time) => now - began < time,
        Until::Count(count) => done.fetch_add(1, Ordering::Relaxed) < count,
    };
    let on_one_connection = async |first: usize| {
        let mut connection = Connection::open(servers[first % servers.len()].0).await;
        let (mut times, mut place) = (Vec::new(), first);
        let mut sent = Instant::now();
        while goes_on(sent) {
            work(&mut connection, place).await;
            let answered = Instant::now();
            times.push(answered - sent);
            sent = answered;
            place += CONNECTIONS;
        }
        times
    };
    let on_one_thread = |number: usize| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let all = (number..CONNECTIONS).step_by(THREADS).map(&on_one_connection);
        runtime.block_on(futures_util::future::join_all(all)).concat()
    };
    let times = thread::scope(|scope| {
        let threads = [0, 1].map(|number| scope.spawn(move || on_one_thread(number)));
        threads
            .map(|thread| thread.join().expect("a thread of the load"))
            .concat()
    });
    Loaded::new(times, began.elapsed(), Some(cpu().saturating_sub(used)))
}

/// Loads `server` with one and the same request.
pub(crate) fn repeat(server: (SocketAddr, &Process), each: Duration, request: &[u8]) -> Loaded {
    drive(
        &[server],
        Until::After(each),
        &async |connection: &mut Connection, _| {
            connection.repeat(request).await;
        },
    )
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
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) head: &'a str,
    pub(crate) body: &'a str,
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

    pub(crate) async fn call(&mut self, request: &[u8]) -> Answer<'_> {
        self.stream.write_all(request).await.expect("sent");
        self.buffer.clear();
        let (head, length) = loop {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("answered");
            assert!(read > 0, "the server closed the connection");
            if let Some((head, length)) = measured(&self.buffer)
                && self.buffer.len() >= head + length
            {
                break (head, length);
            }
        };
        let (head, body) = self.buffer[..head + length].split_at(head);
        let head = std::str::from_utf8(head).expect("ASCII");
        Answer {
            status: head[9..12].parse().expect("a status"),
            head,
            // A bare signature is none.
            body: std::str::from_utf8(body).unwrap_or_default(),
        }
    }

    /// The same, for an answer that only has to be good.
    pub(crate) async fn repeat(&mut self, request: &[u8]) {
        let answer = self.call(request).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

/// Where the body of an answer begins, and how long it is; none before its head is there.
fn measured(answer: &[u8]) -> Option<(usize, usize)> {
    const LENGTH: &str = "content-length: ";
    let (mut at, mut length) = (0, 0);
    loop {
        let line = &answer[at..];
        let line = &line[..line.iter().position(|byte| *byte == b'\n')?];
        at += line.len() + 1;
        if line == b"\r" {
            return Some((at, length));
        }
        if line.len() > LENGTH.len() && line[..LENGTH.len()].eq_ignore_ascii_case(LENGTH.as_bytes()) {
            let number = std::str::from_utf8(&line[LENGTH.len()..]).expect("a number");
            length = number.trim_end().parse().expect("a length");
        }
    }
}
