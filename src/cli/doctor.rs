//! `claviger doctor`: looks at a deployment, and says of each thing whether it is well and what to mend.

use std::{os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use time::OffsetDateTime;
use tokio::{net::TcpStream, time::timeout};
use url::Url;

use super::{Refused, issuer, output::say, reach};
use crate::{
    app,
    config::{Config, Environment, MasterKeySource},
    crypto::Keyring,
    db::{self, Db, Inspection},
    types::{Clock, Entropy},
};

/// How one thing is.
pub(super) enum Finding {
    Ok(String),
    /// It works, and should be mended all the same.
    Warn(String),
    Fail(String),
}

use Finding::{Fail, Ok as Well, Warn};

/// The oldest PostgreSQL that is good for this.
const OLDEST_POSTGRES: i32 = 15;
/// Clocks further apart than this make leases and lifetimes wrong.
const MOST_SKEW: time::Duration = time::Duration::seconds(2);
const PATIENCE: Duration = Duration::from_secs(5);
/// Below these, in bytes, there is too little space for data.
const LITTLE_SPACE: u64 = 2 << 30;
const TOO_LITTLE_SPACE: u64 = 256 << 20;

pub(super) async fn run(config: Config, environment: &Environment) -> Result<(), Refused> {
    let mut findings: Vec<(&str, Finding)> = Vec::new();
    // First, since a database of our own cannot be started without.
    let (finding, masters) = master_key(&config);
    findings.push(("master key", finding));
    findings.push(("disk space", disk_space(&config.data_dir)));
    match reach::database(&config, environment).await {
        Err(error) => findings.push(("database", Fail(error.to_string()))),
        Ok(reached) => {
            findings.extend(database(&reached.urls, &masters).await);
            reached.leave().await;
        }
    }
    findings.push(("issuer", issuer::look(&config).await));
    findings.push(("TLS", tls(&config)));
    findings.push(("mail", mail(&config).await));
    findings.push(("webhooks", webhooks(&config)));
    let mut failed = 0;
    for (what, finding) in &findings {
        let (word, text) = match finding {
            Well(text) => ("ok  ", text),
            Warn(text) => ("warn", text),
            Fail(text) => {
                failed += 1;
                ("FAIL", text)
            }
        };
        say(&format!("{word}  {what:14} {text}"));
    }
    match failed {
        0 => Ok(()),
        1 => Err(Refused::Because("one thing must be mended: see above".to_owned())),
        more => Err(Refused::Because(format!(
            "{more} things must be mended: see above"
        ))),
    }
}

/// How the master keys are, and their ids, newest first.
fn master_key(config: &Config) -> (Finding, Vec<String>) {
    let alone = |finding| (finding, Vec::new());
    let source = match config.master_key.source {
        MasterKeySource::Env => "the configuration's value".to_owned(),
        MasterKeySource::File => {
            let path = app::master_key_path(config);
            match std::fs::metadata(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return alone(Warn(format!(
                        "{} is made at the first start; back it up then",
                        path.display()
                    )));
                }
                Err(error) => return alone(Fail(format!("{}: {error}", path.display()))),
                Ok(found) if found.permissions().mode() & 0o077 != 0 => {
                    return alone(Fail(format!(
                        "others can read {}: run `chmod 600` on it",
                        path.display()
                    )));
                }
                Ok(_) => path.display().to_string(),
            }
        }
    };
    match app::master_keys(config, &Entropy::system()) {
        Ok(keys) => {
            let ids: Vec<String> = keys.ids().map(str::to_owned).collect();
            let text = format!("{} from {source}; keep a copy beside your backups", ids.len());
            (Well(text), ids)
        }
        Err(error) => alone(Fail(error.to_string())),
    }
}

/// Whether this node can open what is at rest, and what is still under a master key that should be left behind.
async fn derived_keys(urls: &app::DatabaseUrls, masters: &[String]) -> Finding {
    let used = async {
        let db = Db::new(&urls.server, 1, PATIENCE);
        Keyring::masters_in_use(&mut *db.connection().await?, Clock::system().now()).await
    };
    let used = match used.await {
        Err(fault) => return Fail(fault.to_string()),
        Ok(used) => used,
    };
    if let Some((missing, keys)) = used.iter().find(|(id, _)| !masters.contains(id)) {
        return Fail(format!(
            "{keys} come from the master key {missing}, which is not here: add it to the others, or nothing that they \
             sealed or signed can be told good from bad"
        ));
    }
    match used.iter().find(|(id, _)| masters.first() != Some(*id)) {
        Some((older, keys)) => Warn(format!(
            "{keys} still come from the older master key {older}: `claviger keys rotate` makes new ones, `claviger \
             keys list` shows what hangs on the old"
        )),
        None => Well("all come from the newest master key".to_owned()),
    }
}

fn webhooks(config: &Config) -> Finding {
    if config.webhooks.allow_private_addresses {
        Warn(
            "go to private addresses and over plain http too: whoever has an app can make this server call what only it \
             can reach; set webhooks.allow_private_addresses to false"
                .to_owned(),
        )
    } else {
        Well("go over https to addresses on the internet alone".to_owned())
    }
}

fn disk_space(folder: &Path) -> Finding {
    let existing = folder
        .ancestors()
        .find(|folder| folder.is_dir())
        .unwrap_or(Path::new("."));
    match rustix::fs::statvfs(existing) {
        Err(error) => Warn(format!("{}: {error}", existing.display())),
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let text = format!("{} MiB free for {}", free >> 20, folder.display());
            if free < TOO_LITTLE_SPACE {
                Fail(format!("{text}: make room"))
            } else if free < LITTLE_SPACE {
                Warn(format!("{text}: that may soon be too little"))
            } else {
                Well(text)
            }
        }
    }
}

async fn database(urls: &app::DatabaseUrls, masters: &[String]) -> Vec<(&'static str, Finding)> {
    let asked = Clock::system().now();
    let inspection = match timeout(PATIENCE, db::inspect(&urls.server)).await {
        Err(_) => return vec![("database", Fail("it does not answer within 5 seconds".to_owned()))],
        Ok(Err(fault)) => return vec![("database", Fail(fault.to_string()))],
        Ok(Ok(inspection)) => inspection,
    };
    let answered = Clock::system().now();
    let version = if inspection.version >= OLDEST_POSTGRES {
        Well(format!("PostgreSQL {} answers", inspection.version))
    } else {
        Fail(format!(
            "PostgreSQL {} is too old: {OLDEST_POSTGRES} or newer is needed",
            inspection.version
        ))
    };
    let mut findings = vec![
        ("database", version),
        ("durability", durability(&inspection)),
        ("clock", clock(&inspection, asked, answered)),
    ];
    match db::pending_migrations(&urls.owner).await {
        Err(fault) => findings.push(("migrations", Fail(fault.to_string()))),
        Ok(pending) if pending.is_empty() => {
            findings.push(("migrations", Well("all applied".to_owned())));
            findings.push(("derived keys", derived_keys(urls, masters).await));
        }
        Ok(pending) => {
            let text = format!(
                "{} to apply: `claviger migrate` does, or the next start",
                pending.len()
            );
            findings.push(("migrations", Warn(text)));
        }
    }
    findings
}

fn durability(inspection: &Inspection) -> Finding {
    let off: Vec<_> = [
        ("fsync", inspection.fsync),
        ("full_page_writes", inspection.full_page_writes),
        ("synchronous_commit", inspection.synchronous_commit),
    ]
    .into_iter()
    .filter_map(|(name, on)| (!on).then_some(name))
    .collect();
    if off.is_empty() {
        Well("a commit survives a power failure".to_owned())
    } else {
        Fail(format!(
            "{} is off: after a power failure, revoked credentials could be good again. Switch it on",
            off.join(", ")
        ))
    }
}

fn clock(inspection: &Inspection, asked: OffsetDateTime, answered: OffsetDateTime) -> Finding {
    // Somewhere between question and answer the database read its own.
    let skew = if inspection.now < asked {
        asked - inspection.now
    } else {
        (inspection.now - answered).max(time::Duration::ZERO)
    };
    if skew <= MOST_SKEW {
        Well("agrees with the database's".to_owned())
    } else {
        Fail(format!(
            "differs from the database's by {} s: let both follow the same time server",
            skew.whole_seconds()
        ))
    }
}

fn tls(config: &Config) -> Finding {
    let here = config.server.tls.certificate.is_some();
    let loopback = config.listen.ip().is_loopback();
    if config.is_plain_http_abroad() {
        let text = "passwords and tokens cross the network in clear, under an issuer that begins with http"
            .to_owned();
        return if config.server.allow_plain_http {
            Warn(format!("{text}, as server.allow_plain_http says"))
        } else {
            Fail(format!("{text}: the server does not start so"))
        };
    }
    match (config.is_https(), here) {
        (true, true) => Well("ends in this server".to_owned()),
        (true, false) if loopback => Well("ends in a proxy on this machine".to_owned()),
        (true, false) if config.server.trusted_proxies.is_empty() => Warn(
            "must end in a proxy before this server: name it in server.trusted_proxies, so that people's addresses \
             are known"
                .to_owned(),
        ),
        (true, false) => Well("ends in a trusted proxy".to_owned()),
        (false, true) => Fail("there is a certificate, but the issuer begins with http: make it https".to_owned()),
        (false, false) if loopback => Well("not needed: only this machine reaches the server".to_owned()),
        (false, false) => Fail(
            "passwords and tokens would cross the network in clear: set an issuer with https, and a certificate or \
             a proxy that has one"
                .to_owned(),
        ),
    }
}

async fn mail(config: &Config) -> Finding {
    let Some(url) = &config.mail.smtp_url else {
        let text = format!(
            "goes to {}: set mail.smtp_url",
            config.data_dir.join("mail").display()
        );
        return if config.is_https() { Warn(text) } else { Well(text) };
    };
    let Ok(url) = Url::parse(url.expose()) else {
        return Fail("mail.smtp_url is no URL".to_owned());
    };
    let Some(host) = url.host_str() else {
        return Fail("mail.smtp_url names no host".to_owned());
    };
    let port = url
        .port()
        .unwrap_or(if url.scheme() == "smtps" { 465 } else { 587 });
    match timeout(PATIENCE, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Well(format!("{host}:{port} takes connections")),
        Ok(Err(error)) => Fail(format!("{host}:{port} cannot be reached: {error}")),
        Err(_) => Fail(format!("{host}:{port} does not answer within 5 seconds")),
    }
}
