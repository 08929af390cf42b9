use std::net::IpAddr;

/// Who is at the other end of a request, as far as HTTP tells: written to the trail, sealed on grants and
/// sessions, and compared to notice that a credential has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientContext {
    /// The peer, or what a trusted proxy said of it.
    pub address: IpAddr,
    /// The `User-Agent` header, cut at 300 characters; empty when none was sent.
    pub user_agent: String,
    /// The id under which this request is in the log.
    pub request_id: String,
}
