//! A browser without a screen: keeps cookies, follows links and redirects, fills in forms by the names of their
//! fields, as a script of somebody else's would.

use std::sync::Arc;

use reqwest::{
    Client, Method, StatusCode,
    cookie::{CookieStore as _, Jar},
    header::{CONTENT_TYPE, HeaderMap, LOCATION},
    redirect::Policy,
};
use scraper::{ElementRef, Html, Selector};
use url::Url;

#[derive(Clone, Debug)]
pub struct Browser {
    pub client: Client,
    cookies: Arc<Jar>,
    home: Url,
}

/// An answer: a page, or a redirect to another site, which is not followed.
#[derive(Clone, Debug)]
pub struct Page {
    pub url: Url,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub html: String,
}

/// What a form would send.
#[derive(Clone, Debug)]
pub struct Form {
    pub method: Method,
    pub action: Url,
    pub fields: Vec<(String, String)>,
    buttons: Vec<(String, String)>,
}

impl Browser {
    /// `home` is where paths begin.
    pub fn at(home: &str) -> Self {
        let cookies = Arc::<Jar>::default();
        Self {
            client: Client::builder()
                .cookie_provider(cookies.clone())
                .redirect(Policy::none())
                .user_agent("Browser of the tests")
                .build()
                .unwrap(),
            cookies,
            home: home.parse().unwrap(),
        }
    }

    /// What it sends as `Cookie` to a path.
    pub fn cookies(&self, path: &str) -> String {
        let header = self.cookies.cookies(&self.home.join(path).unwrap());
        header.map_or_else(String::new, |header| header.to_str().unwrap().to_owned())
    }

    pub async fn get(&self, path: &str) -> Page {
        let url = self.home.join(path).unwrap();
        self.go(self.client.get(url).build().unwrap()).await
    }

    /// Fills in the first form that has all these fields or buttons, and sends it.
    pub async fn submit(&self, page: &Page, fields: &[(&str, &str)]) -> Page {
        let mut form = page
            .forms()
            .into_iter()
            .find(|form| fields.iter().all(|(name, value)| form.takes(name, value)))
            .unwrap_or_else(|| {
                panic!(
                    "no form with {fields:?} on {} ({}):\n{}",
                    page.url, page.status, page.html
                )
            });
        for (name, _) in fields {
            form.fields.retain(|(known, _)| known != name);
        }
        form.fields.extend(
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        self.send(&form).await
    }

    /// Sends a form as it is.
    pub async fn send(&self, form: &Form) -> Page {
        let request = self.client.request(form.method.clone(), form.action.clone());
        let request = if form.method == Method::GET {
            request.query(&form.fields)
        } else {
            request.form(&form.fields)
        };
        self.go(request.build().unwrap()).await
    }

    /// Goes where redirects lead, as long as that is this site.
    pub async fn go(&self, request: reqwest::Request) -> Page {
        let mut response = self.client.execute(request).await.unwrap();
        for _ in 0..10 {
            let Some(location) = response.headers().get(LOCATION) else {
                break;
            };
            let next = response.url().join(location.to_str().unwrap()).unwrap();
            if next.origin() != self.home.origin() {
                break;
            }
            response = self.client.get(next).send().await.unwrap();
        }
        Page {
            url: response.url().clone(),
            status: response.status(),
            headers: response.headers().clone(),
            html: response.text().await.unwrap(),
        }
    }
}

impl Page {
    /// Where a redirect to another site leads.
    pub fn leads_to(&self) -> Option<Url> {
        let location = self.headers.get(LOCATION)?.to_str().ok()?;
        self.url.join(location).ok()
    }

    pub fn is_html(&self) -> bool {
        self.headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.to_str().unwrap().starts_with("text/html"))
    }

    /// The words on it, without mark-up.
    pub fn text(&self) -> String {
        let document = Html::parse_document(&self.html);
        let body = document.select(&selector("body")).next();
        body.map(|body| {
            body.text()
                .flat_map(str::split_whitespace)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .unwrap_or_default()
    }

    /// Where the first link leads whose path begins so.
    pub fn link(&self, start: &str) -> String {
        let document = Html::parse_document(&self.html);
        let links = selector("a[href]");
        document
            .select(&links)
            .filter_map(|link| link.attr("href"))
            .find(|path| path.starts_with(start))
            .unwrap_or_else(|| panic!("no link to {start} on {}:\n{}", self.url, self.html))
            .to_owned()
    }

    pub fn heading(&self) -> String {
        let document = Html::parse_document(&self.html);
        let heading = document.select(&selector("h1")).next();
        heading
            .map(|heading| heading.text().collect::<String>().trim().to_owned())
            .unwrap_or_default()
    }

    pub fn forms(&self) -> Vec<Form> {
        let document = Html::parse_document(&self.html);
        document
            .select(&selector("form"))
            .map(|form| self.form(form))
            .collect()
    }

    fn form(&self, form: ElementRef<'_>) -> Form {
        let attribute =
            |element: ElementRef<'_>, name: &str| element.attr(name).unwrap_or_default().to_owned();
        let mut fields = Vec::new();
        let mut buttons = Vec::new();
        for field in form.select(&selector(
            "input[name], textarea[name], select[name], button[name]",
        )) {
            if field.attr("disabled").is_some() {
                continue;
            }
            let name = attribute(field, "name");
            match (field.value().name(), field.attr("type").unwrap_or_default()) {
                ("button", _) | ("input", "submit") => buttons.push((name, attribute(field, "value"))),
                ("input", "checkbox" | "radio") => {
                    let value = field.attr("value").unwrap_or("on").to_owned();
                    if field.attr("checked").is_some() {
                        fields.push((name, value));
                    } else {
                        // Not sent as it is, but it can be chosen.
                        buttons.push((name, value));
                    }
                }
                ("textarea", _) => fields.push((name, field.text().collect())),
                ("select", _) => {
                    for option in field.select(&selector("option")) {
                        let value = option
                            .attr("value")
                            .map_or_else(|| option.text().collect(), str::to_owned);
                        if option.attr("selected").is_some() {
                            fields.push((name.clone(), value));
                        } else {
                            buttons.push((name.clone(), value));
                        }
                    }
                }
                _ => fields.push((name, attribute(field, "value"))),
            }
        }
        let method = if form
            .attr("method")
            .is_some_and(|method| method.eq_ignore_ascii_case("post"))
        {
            Method::POST
        } else {
            Method::GET
        };
        let action = self.url.join(form.attr("action").unwrap_or_default()).unwrap();
        Form {
            method,
            action,
            fields,
            buttons,
        }
    }
}

impl Form {
    fn takes(&self, name: &str, value: &str) -> bool {
        self.fields.iter().any(|(known, _)| known == name)
            || self
                .buttons
                .iter()
                .any(|(known, choice)| known == name && choice == value)
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

fn selector(text: &str) -> Selector {
    Selector::parse(text).unwrap()
}
