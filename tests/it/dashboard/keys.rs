//! API keys in the dashboard: made, shown once, used, changed, rotated, taken back; and what those of an app may do.

mod ended;
mod granted;
mod made;

use claviger::{
    config::Span,
    keys::Asker,
    types::{ApiKeyId, AppId},
};

use super::*;
use crate::{
    identity::number,
    keys::{add_scope, grant},
    support::wait::until,
};

const HOUR: Duration = Duration::from_hours(1);

/// Ada's app, which was granted `read:orders` and `write:orders`.
struct Shop {
    app: TestApp,
    ada: UserId,
    browser: Browser,
    path: String,
}

impl Shop {
    async fn open() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut claviger::config::Config)) -> Self {
        let app = TestApp::with(|config| {
            config.usage.flush = Span::hours(24);
            change(config);
        })
        .await;
        for (name, publishable) in [("read:orders", true), ("write:orders", false)] {
            add_scope(&app, name, publishable).await;
        }
        let (ada, browser) = person(&app, "ada@example.com", false).await;
        let path = new_app(&browser, "Fieldnotes").await;
        let this = Self {
            app,
            ada,
            browser,
            path,
        };
        grant(&this.app, this.id(), "read:orders write:orders").await;
        this
    }

    fn id(&self) -> AppId {
        self.path.rsplit('/').next().unwrap().parse().unwrap()
    }

    async fn ask(&self, fields: &[(&str, &str)]) -> Page {
        let page = self.browser.get(&format!("{}/keys/new", self.path)).await;
        self.browser.submit(&page, fields).await
    }

    /// Makes a key, and gives its value and the path of its page.
    async fn make(&self, fields: &[(&str, &str)]) -> (String, String) {
        let page = self.ask(fields).await;
        shown(&page)
    }

    async fn status(&self, key: &str) -> StatusCode {
        let asked = reqwest::Client::new()
            .get(self.app.url("/v1/auth"))
            .bearer_auth(key);
        asked.send().await.unwrap().status()
    }
}

/// The value on a page that shows one, and where the key has its page.
fn shown(page: &Page) -> (String, String) {
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert_eq!(page.headers["cache-control"], "no-store");
    assert!(
        page.text()
            .contains("This is the only time that the key is shown."),
        "{}",
        page.text()
    );
    let value = words(page, "#key").unwrap();
    let document = Html::parse_document(&page.html);
    let on = document
        .select(&Selector::parse("main a.btn--primary").unwrap())
        .next()
        .unwrap();
    (value, on.attr("href").unwrap().to_owned())
}

/// What stands beside a field that was wrong.
fn beside(page: &Page, field: &str) -> String {
    words(page, &format!("#f-{field}-error"))
        .unwrap_or_else(|| panic!("nothing beside {field}: {}", page.html))
}
