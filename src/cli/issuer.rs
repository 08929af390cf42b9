//! Whether the server answers under the URL that it gives out as its own. Asked as a client would, from outside,
//! with no more of HTTP than that takes.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::aws_lc_rs};
use rustls_pki_types::ServerName;
use serde_json::Value;
use url::Url;

use super::doctor::Finding;
use crate::config::Config;

const PATIENCE: Duration = Duration::from_secs(5);
const LARGEST_ANSWER: u64 = 256 * 1024;
const METADATA: &str = "/.well-known/openid-configuration";

pub(super) async fn look(config: &Config) -> Finding {
    let issuer = config.issuer();
    let address = format!("{issuer}{METADATA}");
    let Ok(url) = Url::parse(&address) else {
        return Finding::Fail(format!("{address} is no URL"));
    };
    let fetched = tokio::task::spawn_blocking(move || fetch(&url)).await;
    let body = match fetched {
        Ok(Ok((200, body))) => body,
        Ok(Ok((status, _))) => return Finding::Fail(format!("{address} answers {status}")),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return Finding::Warn(format!("nothing answers at {issuer}: is the server started?"));
        }
        Ok(Err(error)) => return Finding::Fail(format!("{address} cannot be reached: {error}")),
        Err(error) => return Finding::Fail(error.to_string()),
    };
    let said = serde_json::from_slice::<Value>(&body)
        .ok()
        .and_then(|metadata| Some(metadata.get("issuer")?.as_str()?.to_owned()));
    match said {
        Some(said) if said == issuer => Finding::Ok(format!("{issuer} answers as itself")),
        Some(said) => Finding::Fail(format!(
            "the server at {issuer} calls itself {said}: clients will refuse its tokens. Set the same issuer there"
        )),
        None => Finding::Fail(format!("what answers at {address} is not this server")),
    }
}

/// The status and the body that `url` answers with.
fn fetch(url: &Url) -> io::Result<(u16, Vec<u8>)> {
    let host = url
        .host_str()
        .ok_or_else(|| io::Error::other("no host in the URL"))?;
    let port = url
        .port_or_known_default()
        .ok_or_else(|| io::Error::other("no port in the URL"))?;
    let tcp = connect((host.trim_matches(['[', ']']), port))?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    tcp.set_write_timeout(Some(PATIENCE))?;
    // Version 1.0: the answer comes in one piece and ends with the connection.
    let request = format!(
        "GET {} HTTP/1.0\r\nHost: {}\r\nAccept: application/json\r\nUser-Agent: claviger-doctor\r\n\r\n",
        url.path(),
        url.port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
    );
    let answer = if url.scheme() == "https" {
        ask(&mut over_tls(tcp, host)?, &request)?
    } else {
        ask(&mut { tcp }, &request)?
    };
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or_else(|| io::Error::other("no HTTP answer"))?;
    let (head, body) = answer.split_at(end.saturating_add(4));
    let status = String::from_utf8_lossy(head)
        .split_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::Error::other("no HTTP status"))?;
    Ok((status, body.to_vec()))
}

/// The first of a name's addresses that takes a connection.
fn connect(place: impl ToSocketAddrs) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the name has no address");
    for address in place.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn over_tls(tcp: TcpStream, host: &str) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, tcp))
}

fn ask(stream: &mut (impl Read + Write), request: &str) -> io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    match stream.take(LARGEST_ANSWER).read_to_end(&mut answer) {
        // Some servers close without TLS's own farewell; the answer is whole all the same.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(answer),
    }
}
