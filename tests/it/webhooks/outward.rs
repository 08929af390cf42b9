//! Where nothing is sent: into private networks, whatever a name says, and to whoever is not whom the URL names.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use claviger::{
    types::WebhookEndpointId,
    webhooks::{Carrier, EndpointUrl, Resolve, Settings, Webhooks},
};
use futures_util::future::BoxFuture;
use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::{
    Scene,
    receiver::{Receiver, Reply},
};
use crate::support::wait::until;

/// A name server that says one thing the first time and another afterwards.
#[derive(Clone)]
struct Rebinding {
    answers: Arc<[Vec<IpAddr>]>,
    asked: Arc<AtomicUsize>,
}

impl Rebinding {
    fn saying(answers: impl IntoIterator<Item = Vec<IpAddr>>) -> Self {
        Self {
            answers: answers.into_iter().collect(),
            asked: Arc::default(),
        }
    }
}

impl Resolve for Rebinding {
    fn resolve<'r>(&'r self, _: &'r str) -> BoxFuture<'r, io::Result<Vec<IpAddr>>> {
        let turn = self
            .asked
            .fetch_add(1, Ordering::Relaxed)
            .min(self.answers.len() - 1);
        let answer = self.answers[turn].clone();
        Box::pin(async move { Ok(answer) })
    }
}

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Sends one test to `url` by way of `carrier`, and says how the attempt went.
async fn attempt(scene: &Scene, carrier: Carrier, url: &str) -> Result<u16, String> {
    let webhooks = Webhooks {
        carrier,
        ..scene.webhooks().clone()
    };
    let id = WebhookEndpointId::new(&webhooks.clock, &webhooks.entropy);
    let settings = Settings {
        url: EndpointUrl::parse(url, true).unwrap(),
        description: None,
        event_types: Vec::new(),
    };
    scene.add(id, &settings).await.unwrap();
    scene.test(id).await.unwrap();
    let dispatching = webhooks.start();
    until("it was tried", async || {
        scene.deliveries(id).await[0].last.is_some()
    })
    .await;
    dispatching.stop().await;
    let last = scene.deliveries(id).await.remove(0).last.unwrap();
    scene.delete(id).await.unwrap();
    last.status.ok_or_else(|| last.error.unwrap())
}

/// As configured by default: nothing private.
fn strict(scene: &Scene) -> Carrier {
    let mut settings = scene.webhooks().config.webhooks.clone();
    settings.allow_private_addresses = false;
    Carrier::new(&settings)
}

const REFUSED: &str = "the name has no address on the internet";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_an_address_that_is_not_on_the_internet() {
    let scene = Scene::start().await;
    let port = scene.receiver.address.port();
    for host in [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "[64:ff9b::7f00:1]",
        "localhost",
    ] {
        let url = format!("https://{host}:{port}/");
        assert_eq!(
            attempt(&scene, strict(&scene), &url).await,
            Err(REFUSED.to_owned()),
            "{host}"
        );
    }
    for address in [
        "10.1.2.3",
        "169.254.169.254",
        "100.100.100.200",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
    ] {
        let carrier = strict(&scene).resolving(Rebinding::saying([vec![address.parse().unwrap()]]));
        let url = format!("https://hooks.example:{port}/");
        assert_eq!(
            attempt(&scene, carrier, &url).await,
            Err(REFUSED.to_owned()),
            "{address}"
        );
    }
    // Of the time when private networks were allowed, and plain http with them.
    let carrier = strict(&scene).resolving(Rebinding::saying([vec!["240.0.0.1".parse().unwrap()]]));
    let error = attempt(&scene, carrier, &format!("http://hooks.example:{port}/")).await;
    assert!(
        error.clone().is_err_and(|error| error.contains("plain http")),
        "{error:?}"
    );
    assert!(scene.receiver.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_says_something_else_a_moment_later_leads_nowhere_else() {
    let scene = Scene::start().await;
    let url = format!("http://hooks.example:{}/", scene.receiver.address.port());
    // Checked as public (TEST-NET would be refused, so an address that nobody answers at), connected as private.
    let names = Rebinding::saying([vec!["240.0.0.1".parse().unwrap()], vec![HERE]]);
    assert_eq!(
        attempt(
            &scene,
            strict(&scene).resolving(names.clone()),
            &url.replace("http:", "https:")
        )
        .await,
        Err(REFUSED.to_owned())
    );
    assert_eq!(names.asked.load(Ordering::Relaxed), 1);
    // Where private addresses are allowed, the one that was looked up is the one that is connected to: asked once.
    let names = Rebinding::saying([vec![HERE], vec!["10.0.0.1".parse().unwrap()]]);
    let carrier = scene.webhooks().carrier.clone().resolving(names.clone());
    assert_eq!(attempt(&scene, carrier, &url).await, Ok(200));
    assert_eq!(names.asked.load(Ordering::Relaxed), 1);
    assert_eq!(scene.receiver.received().len(), 1);
    assert_eq!(
        scene.receiver.received()[0].headers["host"],
        format!("hooks.example:{}", scene.receiver.address.port())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_inward_is_no_way_around() {
    let scene = Scene::start().await;
    let inside = Receiver::start().await;
    scene.receiver.answers([Reply::Whole(
        format!("HTTP/1.1 307 There\r\nlocation: {}", inside.url("/")),
        String::new(),
    )]);
    let carrier = scene.webhooks().carrier.clone();
    assert_eq!(attempt(&scene, carrier, &scene.receiver.url("/")).await, Ok(307));
    assert!(inside.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_must_name_the_host_of_the_url() {
    let scene = Scene::start().await;
    let own = rcgen::generate_simple_self_signed(vec!["hooks.example".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![own.cert.der().clone()],
            PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let receiver = Receiver::wrapped(move |stream| {
        let acceptor = acceptor.clone();
        async move { acceptor.accept(stream).await.ok() }
    })
    .await;
    let port = receiver.address.port();
    let carrier = scene
        .webhooks()
        .carrier
        .clone()
        .resolving(Rebinding::saying([vec![HERE]]))
        .trusting(roots)
        .unwrap();
    assert_eq!(
        attempt(&scene, carrier.clone(), &format!("https://hooks.example:{port}/")).await,
        Ok(200)
    );
    for host in ["other.example", "127.0.0.1"] {
        let error = attempt(&scene, carrier.clone(), &format!("https://{host}:{port}/"))
            .await
            .unwrap_err();
        assert!(error.starts_with("no secure connection"), "{error}");
    }
    // Whom the system does not trust, nobody trusts.
    let stranger = scene
        .webhooks()
        .carrier
        .clone()
        .resolving(Rebinding::saying([vec![HERE]]));
    let error = attempt(&scene, stranger, &format!("https://hooks.example:{port}/"))
        .await
        .unwrap_err();
    assert!(error.starts_with("no secure connection"), "{error}");
    assert_eq!(receiver.received().len(), 1);
}
