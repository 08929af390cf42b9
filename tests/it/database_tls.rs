//! TLS to the database: what a URL says of it means what it means to libpq.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use claviger::db::{
    Db,
    embedded::{Cluster, Options, SERVER},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::support::{cluster::PATIENCE, wait::until};

/// A PostgreSQL that speaks TLS on an address of its own, and nothing else there.
struct Postgres {
    cluster: Cluster,
    folder: PathBuf,
    address: String,
    data: TempDir,
}

/// In the certificates; no name server knows it.
const HOST: &str = "db.example";

impl Postgres {
    async fn start() -> Self {
        let data = TempDir::new().unwrap();
        let mut options = Options::new(data.path());
        options.durable = false;
        options.path = std::env::var_os("PATH");
        options.bin_dir = std::env::var_os("CLAVIGER_PG_BIN").map(Into::into);
        let cluster = Cluster::start(options.clone()).await.unwrap();
        let folder = data.path().join("postgres/cluster");
        let number = std::process::id();
        let address = format!("127.83.{}.{}", number / 250 % 250, number % 250 + 1);
        let this = Self {
            cluster,
            folder,
            address,
            data,
        };
        this.show(&self_signed(false));
        this.write(
            "access.conf",
            b"local all all trust\nhostssl all all 127.0.0.0/8 scram-sha-256\n",
        );
        for setting in [
            &format!("ALTER SYSTEM SET listen_addresses = '{}'", this.address),
            "ALTER SYSTEM SET ssl = on",
            &format!(
                "ALTER SYSTEM SET ssl_cert_file = '{}'",
                this.path("server.crt").display()
            ),
            &format!(
                "ALTER SYSTEM SET ssl_key_file = '{}'",
                this.path("server.key").display()
            ),
            &format!(
                "ALTER SYSTEM SET hba_file = '{}'",
                this.path("access.conf").display()
            ),
            &format!("ALTER ROLE {SERVER} PASSWORD 'a password'"),
        ] {
            this.execute(setting).await;
        }
        let Self {
            cluster,
            folder,
            address,
            data,
        } = this;
        cluster.stop().await;
        Self {
            cluster: Cluster::start(options).await.unwrap(),
            folder,
            address,
            data,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// As the one that PostgreSQL runs as.
    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        let owner = fs::metadata(&self.folder).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn show(&self, pair: &Pair) {
        self.write("server.crt", pair.certificate.as_bytes());
        self.write("server.key", pair.key.as_bytes());
    }

    async fn execute(&self, sql: &str) {
        let (client, connection) = tokio_postgres::connect(&self.cluster.owner_url(), NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
    }

    /// What becomes of a connection by a URL with that query.
    async fn reached(&self, query: &str) -> Result<(), String> {
        let url = format!(
            "postgresql://{SERVER}:a%20password@{HOST}:5432/claviger?hostaddr={}&{query}",
            self.address
        );
        let db = Db::new(&url, 1, PATIENCE);
        db.ping().await.map_err(|fault| fault.to_string())
    }
}

struct Pair {
    certificate: String,
    key: String,
}

/// As Debian makes one for PostgreSQL, or as `openssl req -x509` does, which makes it an authority.
fn self_signed(is_authority: bool) -> Pair {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new([HOST.to_owned()]).unwrap();
    if is_authority {
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    Pair {
        certificate: parameters.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

/// A certificate for a host, and the one who signed it.
fn signed(host: &str) -> (Pair, String) {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new([]).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = parameters.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(parameters, key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new([host.to_owned()]).unwrap();
    let pair = Pair {
        certificate: own.signed_by(&key, &issuer).unwrap().pem(),
        key: key.serialize_pem(),
    };
    (pair, root)
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn the_modes_of_libpq_ask_what_they_ask_there() {
    let postgres = Postgres::start().await;
    let folder = TempDir::new().unwrap();
    for (name, pair) in [("debian", self_signed(false)), ("openssl", self_signed(true))] {
        postgres.show(&pair);
        postgres.execute("SELECT pg_reload_conf()").await;
        let root = file(folder.path(), "root.pem", &pair.certificate);
        let query = format!("sslmode=verify-full&sslrootcert={root}");
        until("the new certificate", async || {
            postgres.reached(&query).await.is_ok()
        })
        .await;
        for good in [
            "sslmode=require",
            "sslmode=require&channel_binding=require",
            "sslmode=prefer",
            "target_session_attrs=primary",
        ] {
            postgres.reached(good).await.expect(good);
        }
        let ca = format!("sslmode=verify-ca&sslrootcert={root}");
        postgres.reached(&ca).await.expect(name);
        for mode in ["verify-ca", "verify-full"] {
            let words = postgres.reached(&format!("sslmode={mode}")).await.unwrap_err();
            assert!(words.contains("sslrootcert=FILE"), "{name}: {words}");
        }
    }
    let words = postgres.reached("sslmode=disable").await.unwrap_err();
    assert!(words.contains("no encryption"), "{words}");

    // One for another host, signed by somebody.
    let (pair, root) = signed("other.example");
    postgres.show(&pair);
    postgres.execute("SELECT pg_reload_conf()").await;
    let root = file(folder.path(), "authority.pem", &root);
    let ca = format!("sslmode=verify-ca&sslrootcert={root}");
    until("the new certificate", async || {
        postgres.reached(&ca).await.is_ok()
    })
    .await;
    let old_way = format!("sslmode=require&sslrootcert={root}");
    postgres.reached(&old_way).await.unwrap();
    let full = format!("sslmode=verify-full&sslrootcert={root}");
    let words = postgres.reached(&full).await.unwrap_err();
    assert!(words.contains("not valid for name"), "{words}");

    // Somebody else.
    let (_, stranger) = signed(HOST);
    let stranger = file(folder.path(), "stranger.pem", &stranger);
    for mode in ["require", "verify-ca", "verify-full"] {
        let query = format!("sslmode={mode}&sslrootcert={stranger}");
        let words = postgres.reached(&query).await.unwrap_err();
        assert!(words.contains("sslrootcert=FILE"), "{mode}: {words}");
    }
    for (query, named) in [
        (
            "sslmode=verify-full&sslrootcert=/no/such/file",
            "cannot read /no/such/file",
        ),
        ("sslmode=verify_full", "sslmode=verify_full is none of"),
    ] {
        let words = postgres.reached(query).await.unwrap_err();
        assert!(words.contains(named) && !words.contains("password"), "{words}");
    }
    postgres.cluster.stop().await;
    postgres.data.close().unwrap();
}
