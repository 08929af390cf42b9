//! The route table.

use std::sync::Arc;

use actix_web::web::{Data, PayloadConfig, ServiceConfig};

use super::{Services, assets, health};
use crate::{
    api, dashboard,
    identity::{self, HeldByApps, http::PendingRequests},
    oauth::{self, ConsentsAndGrants, WaitingRequests},
    web::{BasePath, BrowserSettings, FirstSecret, Parameters, TrustedProxies},
};

/// Every route of the public address, and what its handlers find in the application's data. Each worker has handles of its
/// own: counts of references that all share would go from processor to processor with every request.
pub(super) fn configure(services: &Services, routes: &mut ServiceConfig) {
    let pending: Arc<dyn PendingRequests> = Arc::new(WaitingRequests(services.authority.clone()));
    let held: Arc<dyn HeldByApps> = Arc::new(ConsentsAndGrants(services.authority.clone()));
    let formats = services.keys.formats.clone();
    routes
        .app_data(PayloadConfig::new(Parameters::LARGEST_BODY))
        .app_data(Data::new(BrowserSettings {
            keyring: services.keyring.clone(),
            entropy: services.entropy.clone(),
            clock: services.clock.clone(),
            base: BasePath::of(&services.config.issuer()),
            is_https: services.config.is_https(),
        }))
        .app_data(Data::new(TrustedProxies(
            services.config.server.trusted_proxies.clone(),
        )))
        .app_data(Data::new(health::Health::of(services)))
        .app_data(Data::new(assets::Assets::new()))
        .app_data(Data::new(services.identity.clone()))
        .app_data(Data::new(services.authority.clone()))
        .app_data(Data::new(services.keys.clone()))
        .app_data(Data::new(services.leaks.clone()))
        .app_data(Data::new(services.webhooks.clone()))
        // Keys, in paths where somebody takes a value for an id.
        .app_data(Data::new(FirstSecret(Box::new(move |path| {
            formats.first_in(path)
        }))))
        // What the sign-in page asks of the capability above it.
        .app_data(Data::from(pending))
        // What a reset of the password asks of it.
        .app_data(Data::from(held))
        .configure(api::http::routes)
        .configure(oauth::http::routes)
        .configure(health::routes)
        .configure(assets::routes)
        .configure(identity::http::routes)
        .configure(dashboard::routes);
}
