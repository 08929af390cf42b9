//! A person and a client, made by the acts that the command line uses.

use claviger::{
    audit::By,
    config::SigningAlgorithm,
    identity::{Created, NewUser},
    oauth::clients::{ClientKind, GrantType, Registered, Registration, register_client},
    types::ScopeSet,
};

use super::app::TestApp;

pub const EMAIL: &str = "ada@example.com";
pub const PASSWORD: &str = "seven quiet herons at noon";
pub const REDIRECT_URI: &str = "http://127.0.0.1/callback";

/// A client that may do all that its kind may, but for what a test changes.
pub fn registration(kind: ClientKind) -> Registration {
    let machine = (kind == ClientKind::Confidential).then_some(GrantType::ClientCredentials);
    let scopes = match kind {
        ClientKind::Public => "openid profile email offline_access",
        ClientKind::Confidential => "openid profile email offline_access tokens:introspect",
    };
    Registration {
        name: "Fieldnotes".to_owned(),
        kind,
        redirect_uris: vec![REDIRECT_URI.parse().unwrap()],
        grant_types: [GrantType::AuthorizationCode, GrantType::RefreshToken]
            .into_iter()
            .chain(machine)
            .collect(),
        scopes: scopes.parse().unwrap(),
        optional_scopes: ScopeSet::default(),
        publisher: None,
        id_token_alg: SigningAlgorithm::ES256,
        retry_window: None,
    }
}

impl TestApp {
    /// A person whose address is verified.
    pub async fn person(&self, email: &str) -> Created {
        let new = NewUser {
            name: "Ada Marsh".to_owned(),
            email: email.to_owned(),
            password: PASSWORD.into(),
        };
        self.identity.create_user(new, false).await.unwrap()
    }

    /// A client of that person's first app.
    pub async fn client(
        &self,
        owner: &Created,
        registration: &Registration,
        first_party: bool,
    ) -> Registered {
        let opened = &owner.opened;
        register_client(
            &self.authority,
            claviger::types::ClientId::new(&self.authority.clock, &self.authority.entropy),
            (opened.account_id, opened.app_id),
            registration,
            first_party,
            By::OPERATOR,
        )
        .await
        .unwrap()
    }
}
