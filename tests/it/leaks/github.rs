//! GitHub's signature, its list of keys, and reports that come again.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{FutureExt as _, future::select_all};
use reqwest::header;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use super::{Answer, GithubKey, Reply, Scene, entry, find, labels, list};
use crate::support::wait::until;

/// As it was captured of the published format.
const CAPTURED: &str =
    r#"[{"token":"some_token","type":"some_type","url":"some_url","source":"some_source"}]"#;
const CAPTURED_ID: &str = "f9525bf080f75b3506ca1ead061add62b8633a346606dc5fe544e29231c6ee0d";
const CAPTURED_SIGNATURE: &str =
    "MEUCIFLZzeK++IhS+y276SRk2Pe5LfDrfvTXu6iwKKcFGCrvAiEAhHN2kDOhy2I6eGkOFmxNkOJ+L2y8oQ9A2T9GGJo6WJY=";
const CAPTURED_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsz9ugWDj5jK5ELBK42ynytbo38gP\n\
                            HzZFI03Exwz8Lh/tCfL3YxwMdLjB+bMznsanlhK0RwcGP3IDb34kQDIo3Q==";

#[tokio::test]
async fn a_captured_report_is_taken_and_labelled() {
    let scene = Scene::start().await;
    scene.list.always(list(&[entry(CAPTURED_ID, CAPTURED_KEY)]));
    let answer = scene
        .signed(CAPTURED, CAPTURED_ID, CAPTURED_SIGNATURE)
        .await
        .is(200);
    assert_eq!(
        answer,
        json!([{
            // printf some_token | sha256sum
            "token_hash": "9a45520a1213f15016d2d768b5fb3d904492a44ee274b44d4de8803e00fb536a",
            "token_type": "some_type",
            "label": "false_positive",
        }])
    );
}

#[tokio::test]
async fn what_github_has_not_signed_is_refused() {
    let scene = Scene::start().await;
    let (_, value) = scene.key(|_| {}).await;
    let body = Value::from([find(&value)].as_slice()).to_string();
    let good = scene.github.sign(&body);
    let post = || {
        scene
            .world
            .http
            .post(scene.world.app.url("/v1/leaks/github"))
            .body(body.clone())
    };
    let unsigned = Answer::of(post()).await;
    unsigned.refuses(401, "UNAUTHORIZED");
    assert!(unsigned.headers.contains_key(header::WWW_AUTHENTICATE));
    for half in ["Github-Public-Key-Identifier", "Github-Public-Key-Signature"] {
        Answer::of(post().header(half, &good))
            .await
            .refuses(401, "UNAUTHORIZED");
    }
    // None of these had to be looked up.
    assert_eq!(scene.asked(), 0);
    let other = GithubKey::new();
    for (said, id, signature) in [
        (body.as_str(), scene.github.id.as_str(), other.sign(&body)),
        (&body, &scene.github.id, "bm9uZQ==".to_owned()),
        (&body, &scene.github.id, "no base64".to_owned()),
        (&format!("{body} "), &scene.github.id, good.clone()),
        (&body, &other.id, other.sign(&body)),
        (&body, "../keys", good.clone()),
        (&body, "", good.clone()),
    ] {
        scene
            .signed(said, id, &signature)
            .await
            .refuses(401, "UNAUTHORIZED");
    }
    let twice = post()
        .header("Github-Public-Key-Identifier", &scene.github.id)
        .header("Github-Public-Key-Signature", &good)
        .header("Github-Public-Key-Signature", &good);
    Answer::of(twice).await.refuses(401, "UNAUTHORIZED");
    assert!(scene.takes(&scene.world.app.nodes[0], &value).await);
    assert_eq!(labels(scene.signed(&body, &scene.github.id, &good).await), [true]);
    assert!(!scene.takes(&scene.world.app.nodes[0], &value).await);
}

#[tokio::test]
async fn the_list_of_keys_is_kept_and_asked_for_once_more_on_a_name_that_is_not_there() {
    let scene = Scene::start().await;
    let report = async |key: &GithubKey, token: &str| {
        let body = Value::from([find(token)].as_slice()).to_string();
        scene
            .signed(&body, &key.id, &key.sign(&body))
            .await
            .status
            .as_u16()
    };
    assert_eq!((report(&scene.github, "one").await, scene.asked()), (200, 1));
    assert_eq!((report(&scene.github, "two").await, scene.asked()), (200, 1));
    // GitHub begins to use another one just after that.
    let next = GithubKey::new();
    scene.list.always(list(&[scene.github.entry(), next.entry()]));
    assert_eq!((report(&next, "three").await, scene.asked()), (200, 2));
    // A name that is not there is asked for once a minute.
    let stranger = GithubKey::new();
    for _ in 0..3 {
        assert_eq!((report(&stranger, "four").await, scene.asked()), (401, 3));
    }
    scene.advance(61);
    for _ in 0..3 {
        assert_eq!((report(&stranger, "four").await, scene.asked()), (401, 4));
    }
    assert_eq!((report(&next, "five").await, scene.asked()), (200, 4));
    // After a day the list is asked for anew, and a key that is gone signs nothing any more.
    scene.list.always(list(&[next.entry()]));
    scene.advance(24 * 60 * 60);
    assert_eq!((report(&next, "six").await, scene.asked()), (200, 5));
    assert_eq!(report(&scene.github, "seven").await, 401);
}

#[tokio::test]
async fn a_new_key_of_githubs_is_never_taken_for_a_forged_one_because_of_strangers() {
    let scene = Scene::start().await;
    let report = async |key: &GithubKey, token: &str| {
        let body = Value::from([find(token)].as_slice()).to_string();
        scene.signed(&body, &key.id, &key.sign(&body)).await
    };
    report(&scene.github, "one").await.is(200);
    report(&GithubKey::new(), "forged")
        .await
        .refuses(401, "UNAUTHORIZED");
    // GitHub begins to use another one just after a stranger was looked for.
    let second = GithubKey::new();
    scene.list.always(list(&[scene.github.entry(), second.entry()]));
    report(&second, "two").await.is(200);
    for _ in 0..2 {
        report(&GithubKey::new(), "forged")
            .await
            .refuses(401, "UNAUTHORIZED");
    }
    // Now too many were looked for, so nothing is known of one more, and nothing is asked.
    let asked = scene.asked();
    let third = GithubKey::new();
    scene
        .list
        .always(list(&[scene.github.entry(), second.entry(), third.entry()]));
    let unknown = report(&third, "three").await;
    unknown.refuses(503, "UNAVAILABLE");
    assert!(unknown.headers.contains_key(header::RETRY_AFTER));
    report(&second, "four").await.is(200);
    assert_eq!(scene.asked(), asked);
    scene.advance(5 * 60);
    report(&third, "three").await.is(200);
}

/// A report of which only the beginning comes, and the first line of the answer.
async fn begun(scene: &Scene, id: &str, signature: &str, body: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(scene.world.app.nodes[0].address)
        .await
        .unwrap();
    let length = 4 * 1024 * 1024;
    let head = format!(
        "POST /v1/leaks/github HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nGithub-Public-Key-Identifier: {id}\r\n\
         Github-Public-Key-Signature: {signature}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    BufReader::new(stream)
}

async fn status(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    line.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn nothing_is_read_from_who_cannot_be_github() {
    let scene = Scene::start().await;
    let (stranger, good) = (GithubKey::new(), scene.github.sign("[]"));
    for (id, signature) in [
        (&stranger.id, &good),
        (&scene.github.id, &"no base64".to_owned()),
        (&scene.github.id, &STANDARD.encode([0; 100])),
    ] {
        let mut stream = begun(&scene, id, signature, "").await;
        assert_eq!(status(&mut stream).await, "401", "{id} {signature}");
    }
}

#[tokio::test]
async fn large_reports_that_may_be_forged_take_no_more_memory_than_there_is_for_them() {
    let scene = Scene::start().await;
    let (id, signature) = (&scene.github.id, scene.github.sign("[]"));
    let large = " ".repeat(256 * 1024);
    // Eight are read on, and whoever is one more is told to come again.
    let nine = (0..9).map(|_| {
        let begun = begun(&scene, id, &signature, &large);
        Box::pin(async { status(&mut begun.await).await })
    });
    let (told, _, eight) = select_all(nine).await;
    assert_eq!(told, "503");
    // Reports of the usual size need no place.
    let (_, value) = scene.key(|_| {}).await;
    assert_eq!(labels(scene.report(&[find(&value)]).await), [true]);
    let mut eight = select_all(eight);
    assert!((&mut eight).now_or_never().is_none());
    // A place is free again when its report is gone.
    drop(eight);
    let finds: Vec<_> = (0..1_000).map(|number| find(&number.to_string())).collect();
    until("a place is free", async || {
        scene.report(&finds).await.status != 503
    })
    .await;
}

#[tokio::test]
async fn without_the_list_a_report_is_neither_good_nor_bad() {
    let scene = Scene::start().await;
    let (_, value) = scene.key(|_| {}).await;
    for down in [
        Reply::Status(500),
        Reply::Status(302),
        Reply::Whole("HTTP/1.1 200 OK".to_owned(), "<html>".to_owned()),
    ] {
        scene.list.always(down);
        let asked = scene.asked();
        for _ in 0..3 {
            let refused = scene.report(&[find(&value)]).await;
            refused.refuses(503, "UNAVAILABLE");
            assert!(refused.headers.contains_key(header::RETRY_AFTER));
        }
        assert_eq!(scene.asked(), asked + 1, "nothing is asked for within the minute");
        scene.advance(61);
    }
    scene.list.always(list(&[scene.github.entry()]));
    assert_eq!(labels(scene.report(&[find(&value)]).await), [true]);
    // With a list at hand, only reports under unknown names wait for another one.
    scene.list.always(Reply::Status(500));
    let stranger = GithubKey::new();
    for _ in 0..3 {
        let refused = scene.signed("[]", &stranger.id, &stranger.sign("[]")).await;
        refused.refuses(503, "UNAVAILABLE");
    }
    assert_eq!(labels(scene.report(&[find("other")]).await), [false]);
}

#[tokio::test]
async fn a_report_that_comes_again_is_refused_whatever_its_signature() {
    let scene = Scene::start().await;
    let (_, value) = scene.key(|_| {}).await;
    let body = Value::from([find(&value)].as_slice()).to_string();
    let (first, second) = (scene.github.sign(&body), scene.github.sign(&body));
    assert_ne!(first, second, "one body has many signatures");
    assert_eq!(
        labels(scene.signed(&body, &scene.github.id, &first).await),
        [true]
    );
    for signature in [&first, &second] {
        let refused = scene.signed(&body, &scene.github.id, signature).await;
        refused.refuses(409, "CONFLICT");
    }
    // The same find in another report is no replay: the key is a tombstone, and known as ours.
    let other = [find(&value), find("something else")];
    assert_eq!(labels(scene.report(&other).await), [true, false]);
    // Of several at once, one is taken.
    let body = Value::from([find("yet another")].as_slice()).to_string();
    let all = (0..8).map(|_| {
        let signature = scene.github.sign(&body);
        let (scene, body) = (&scene, &body);
        async move {
            scene
                .signed(body, &scene.github.id, &signature)
                .await
                .status
                .as_u16()
        }
    });
    let mut statuses = futures_util::future::join_all(all).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn what_is_no_report_is_refused_although_it_is_signed() {
    let scene = Scene::start().await;
    for body in ["", "{}", "[1]", r#"[{"type":"x"}]"#, r#"[{"token":"sk_live_cut"#] {
        let refused = scene
            .signed(body, &scene.github.id, &scene.github.sign(body))
            .await;
        refused.refuses(400, "INVALID_REQUEST");
        assert!(!refused.body["message"].as_str().unwrap().contains("sk_live"));
    }
    let large = " ".repeat(4 * 1024 * 1024 + 1);
    let refused = scene
        .signed(&large, &scene.github.id, &scene.github.sign(&large))
        .await;
    refused.refuses(413, "TOO_LARGE");
    assert!(
        labels(
            scene
                .signed("[]", &scene.github.id, &scene.github.sign("[]"))
                .await
        )
        .is_empty()
    );
}
