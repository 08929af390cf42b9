//! Very many keys at once, whose rows share statements.

use claviger::{
    keys::limits::Limits,
    types::{ApiKeyId, Entropy},
};
use futures_util::future::join_all;

use super::{Scene, per_hour};

const KEYS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn what_two_nodes_take_and_give_back_of_many_keys_at_once_is_exact_for_each() {
    let scene = Scene::new().await;
    let keys: Vec<_> = (0..KEYS)
        .map(|_| ApiKeyId::new(&scene.clock, &Entropy::system()))
        .collect();
    let nodes = scene.nodes(2).await;
    let storm = async |limits: Limits, each: usize| {
        let mut tasks = tokio::task::JoinSet::new();
        for request in 0..each {
            for (index, key) in keys.iter().copied().enumerate() {
                let limiter = nodes[(index + request) % nodes.len()].limiter.clone();
                let account = scene.account;
                tasks.spawn(async move {
                    let taken = limiter.take(key, account, &limits, 1).await.unwrap();
                    (index, taken.is_allowed())
                });
            }
        }
        let mut allowed = vec![0; KEYS];
        for (index, is_allowed) in tasks.join_all().await {
            allowed[index] += usize::from(is_allowed);
        }
        allowed
    };
    assert_eq!(storm(per_hour(10), 6).await, vec![6; KEYS]);
    let given = nodes.iter().map(|node| node.limiter.give_back());
    for given in join_all(given).await {
        given.unwrap();
    }
    for node in &nodes {
        assert_eq!(node.limiter.blocks(), 0);
    }
    assert_eq!(storm(per_hour(10), 6).await, vec![4; KEYS]);
}
