//! What every HTTP room shares: who is asking, parameters read strictly, the browser's cookie and form tokens,
//! error pages, security headers, the page frame.

mod around;
pub mod assets;
mod base_path;
mod browser;
pub mod chart;
mod failure;
mod news;
pub mod page;
mod parameters;
mod patience;
mod request;
mod user_agent;

pub use around::{FirstSecret, FormAction, around};
pub use base_path::{BasePath, base};
pub use browser::{Browser, BrowserSettings};
pub use failure::{Failure, html, html_with, page_above, see_other, wait_in_words, whole_seconds};
pub use news::News;
pub use parameters::{Form, Parameters, Query, Repeated, Unreadable, form_decoded};
pub use patience::in_time;
pub use request::{RequestContext, TrustedProxies, current_request_id};
pub use user_agent::browser_in_words;
