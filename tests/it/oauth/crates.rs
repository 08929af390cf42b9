//! The client crates `oauth2` and `openidconnect` through the whole flow.

use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse,
    IntrospectionUrl, PkceCodeChallenge, RedirectUrl, Scope, TokenIntrospectionResponse as _, TokenUrl,
    basic::BasicClient,
};
use openidconnect::{
    AccessTokenHash, IssuerUrl, Nonce, OAuth2TokenResponse as _, TokenResponse as _,
    core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreUserInfoClaims},
};
use url::Url;

use super::flow::{CALLBACK, World, cheap_passwords, landed, parameter};
use crate::support::{app::TestApp, browser::Browser};

/// The crates bring no HTTP client of ours, so they get the one of the tests.
async fn send(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let response = client.execute(request.try_into()?).await?;
    let mut answer = oauth2::http::Response::builder().status(response.status());
    answer.headers_mut().unwrap().extend(response.headers().clone());
    Ok(answer.body(response.bytes().await?.to_vec()).unwrap())
}

/// Ada goes where the client sends her; gives the code, once the state is the client's own.
async fn code(browser: &Browser, url: &Url, state: &CsrfToken) -> AuthorizationCode {
    let path = format!("{}?{}", url.path(), url.query().unwrap());
    let mut page = browser.get(&path).await;
    if page.leads_to().is_none() {
        page = browser.submit(&page, &[("decision", "approve")]).await;
    }
    let url = landed(&page);
    assert_eq!(parameter(&url, "state").as_ref(), Some(state.secret()));
    AuthorizationCode::new(parameter(&url, "code").unwrap())
}

#[tokio::test]
async fn oauth2_goes_through_the_whole_flow() {
    let world = World::start().await;
    let browser = world.browser().await;
    let registered = world.confidential().await;
    let client = BasicClient::new(ClientId::new(registered.id.to_string()))
        .set_client_secret(ClientSecret::new(registered.secret.clone().unwrap()))
        .set_auth_uri(AuthUrl::new(world.app.url("/oauth/authorize")).unwrap())
        .set_token_uri(TokenUrl::new(world.app.url("/oauth/token")).unwrap())
        .set_introspection_url(IntrospectionUrl::new(world.app.url("/oauth/introspect")).unwrap())
        .set_redirect_uri(RedirectUrl::new(CALLBACK.to_owned()).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state) = client
        .authorize_url(CsrfToken::new_random)
        .add_scope(Scope::new("email".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    let tokens = client
        .exchange_code(code(&browser, &url, &state).await)
        .set_pkce_verifier(verifier)
        .request_async(&send)
        .await
        .unwrap();
    assert_eq!(
        oauth2::TokenResponse::scopes(&tokens).unwrap(),
        &vec![Scope::new("email".to_owned())]
    );
    let next = client
        .exchange_refresh_token(oauth2::TokenResponse::refresh_token(&tokens).unwrap())
        .request_async(&send)
        .await
        .unwrap();
    let told = client
        .introspect(oauth2::TokenResponse::access_token(&next))
        .request_async(&send)
        .await
        .unwrap();
    assert!(told.active());
    assert_eq!(told.sub(), Some(world.ada.to_string().as_str()));
    // It revokes over https alone, so that step is ours.
    let refresh_token = oauth2::TokenResponse::refresh_token(&next)
        .unwrap()
        .secret()
        .clone();
    world.revoke(&registered, &refresh_token).await;
    let told = client
        .introspect(oauth2::TokenResponse::access_token(&next))
        .request_async(&send)
        .await
        .unwrap();
    assert!(!told.active());
}

#[tokio::test]
async fn openidconnect_goes_through_the_whole_flow() {
    // It checks times by the machine's clock.
    let world = World::of(TestApp::at_real_time(cheap_passwords).await).await;
    let browser = world.browser().await;
    let registered = world.confidential().await;
    let issuer = IssuerUrl::new(world.app.nodes[0].app.config.issuer()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &send).await.unwrap();
    let client = CoreClient::from_provider_metadata(
        metadata,
        ClientId::new(registered.id.to_string()),
        registered.secret.clone().map(ClientSecret::new),
    )
    .set_redirect_uri(RedirectUrl::new(CALLBACK.to_owned()).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        )
        .add_scope(Scope::new("email".to_owned()))
        .add_scope(Scope::new("offline_access".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    let tokens = client
        .exchange_code(code(&browser, &url, &state).await)
        .unwrap()
        .set_pkce_verifier(verifier)
        .request_async(&send)
        .await
        .unwrap();
    let id_token = tokens.id_token().unwrap();
    let checker = client.id_token_verifier();
    let claims = id_token.claims(&checker, &nonce).unwrap();
    assert_eq!(claims.subject().as_str(), world.ada.to_string());
    let hash = AccessTokenHash::from_token(
        tokens.access_token(),
        id_token.signing_alg().unwrap(),
        id_token.signing_key(&checker).unwrap(),
    )
    .unwrap();
    assert_eq!(claims.access_token_hash(), Some(&hash));
    let userinfo: CoreUserInfoClaims = client
        .user_info(tokens.access_token().clone(), Some(claims.subject().clone()))
        .unwrap()
        .request_async(&send)
        .await
        .unwrap();
    assert_eq!(
        userinfo.email().map(|email| email.as_str()),
        Some("ada@example.com")
    );
    client
        .exchange_refresh_token(tokens.refresh_token().unwrap())
        .unwrap()
        .request_async(&send)
        .await
        .unwrap();
}
