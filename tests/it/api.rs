//! `/v1`: what is documented is what is answered; behind proxies, to sessions, in races; and its reference as a page.

mod answers;
mod changes;
mod document;
mod nginx;
mod reference;
pub mod secrets;
mod usage;

use claviger::types::UserId;
use reqwest::{Method, header::HeaderMap};
use serde_json::Value;

use crate::{
    keys::{Answer, World},
    support::{
        browser::Browser,
        people::{EMAIL, PASSWORD},
    },
};

/// Somebody who is signed in at the dashboard, and calls the interface from there.
pub struct Session {
    browser: Browser,
    csrf_token: String,
}

impl Session {
    pub async fn of(world: &World, email: &str) -> Self {
        let browser = world.app.browser();
        let page = browser.get("/sign-in").await;
        browser
            .submit(&page, &[("email", email), ("password", PASSWORD)])
            .await;
        let page = browser.get("/apps").await;
        let forms = page.forms();
        let token = forms.iter().find_map(|form| form.value("csrf_token"));
        Self {
            csrf_token: token.expect("signed in").to_owned(),
            browser,
        }
    }

    /// Ada's, of whose account each world is.
    pub async fn of_ada(world: &World) -> Self {
        Self::of(world, EMAIL).await
    }

    pub async fn call(&self, world: &World, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.call_with(world, method, path, &[], body).await
    }

    pub async fn call_with(
        &self,
        world: &World,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = self
            .browser
            .client
            .request(method, world.app.url(path))
            .header("x-csrf-token", &self.csrf_token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request).await
    }
}

/// One header of an answer, as text.
pub fn said<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next();
    assert!(all.next().is_none(), "{name} stands there twice");
    first.map(|value| value.to_str().unwrap())
}

/// Makes somebody a member of the world's account.
pub async fn add_member(world: &World, user: UserId, role: claviger::accounts::Role) {
    let mut transaction = world.app.db.begin().await.unwrap();
    let clock = &world.app.keys.clock;
    let by = claviger::audit::By::OPERATOR;
    claviger::accounts::add_member(&mut transaction, clock, world.account, (user, role), by)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
}
