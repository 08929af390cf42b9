//! The route table.

use std::sync::Arc;

use actix_web::web::{Data, PayloadConfig, ServiceConfig};

use super::{Services, assets, health};
use crate::{
    api, dashboard,
    identity::{self, HeldByApps, Identity, http::PendingRequests},
    keys::Keys,
    leaks::Leaks,
    oauth::{self, Authority, ConsentsAndGrants, WaitingRequests},
    web::{BasePath, BrowserSettings, FirstSecret, Parameters, TrustedProxies},
    webhooks::Webhooks,
};

/// What handlers find in the application's data: one copy for all workers.
#[derive(Clone)]
pub(super) struct SharedData {
    browser: Data<BrowserSettings>,
    proxies: Data<TrustedProxies>,
    health: Data<health::Health>,
    assets: Data<assets::Assets>,
    identity: Data<Identity>,
    authority: Data<Authority>,
    keys: Data<Keys>,
    leaks: Data<Leaks>,
    webhooks: Data<Webhooks>,
    /// Keys, in paths where somebody takes a value for an id.
    first_secret: Data<FirstSecret>,
    /// What the sign-in page asks of the capability above it.
    pending: Data<dyn PendingRequests>,
    /// What a reset of the password asks of it.
    held: Data<dyn HeldByApps>,
}

impl SharedData {
    pub(super) fn new(services: &Services) -> Self {
        let pending: Arc<dyn PendingRequests> = Arc::new(WaitingRequests(services.authority.clone()));
        let held: Arc<dyn HeldByApps> = Arc::new(ConsentsAndGrants(services.authority.clone()));
        Self {
            browser: Data::new(BrowserSettings {
                keyring: services.keyring.clone(),
                entropy: services.entropy.clone(),
                clock: services.clock.clone(),
                base: BasePath::of(&services.config.issuer()),
                is_https: services.config.is_https(),
            }),
            proxies: Data::new(TrustedProxies(services.config.server.trusted_proxies.clone())),
            health: Data::new(health::Health::of(services)),
            assets: Data::new(assets::Assets::new()),
            identity: Data::new(services.identity.clone()),
            authority: Data::new(services.authority.clone()),
            keys: Data::new(services.keys.clone()),
            leaks: Data::new(services.leaks.clone()),
            webhooks: Data::new(services.webhooks.clone()),
            first_secret: {
                let formats = services.keys.formats.clone();
                Data::new(FirstSecret(Box::new(move |path| formats.first_in(path))))
            },
            pending: Data::from(pending),
            held: Data::from(held),
        }
    }

    /// Every route of the public address.
    pub(super) fn configure(&self, routes: &mut ServiceConfig) {
        routes
            .app_data(PayloadConfig::new(Parameters::LARGEST_BODY))
            .app_data(self.browser.clone())
            .app_data(self.proxies.clone())
            .app_data(self.health.clone())
            .app_data(self.assets.clone())
            .app_data(self.identity.clone())
            .app_data(self.authority.clone())
            .app_data(self.keys.clone())
            .app_data(self.leaks.clone())
            .app_data(self.webhooks.clone())
            .app_data(self.first_secret.clone())
            .app_data(self.pending.clone())
            .app_data(self.held.clone())
            .configure(api::http::routes)
            .configure(oauth::http::routes)
            .configure(health::routes)
            .configure(assets::routes)
            .configure(identity::http::routes)
            .configure(dashboard::routes);
    }
}
