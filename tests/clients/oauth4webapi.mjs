// The whole flow with oauth4webapi, which checks every answer against its RFC.

import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';
import { Person } from './form_follower.mjs';
import { atHash, header, refused, run, settings } from './settings.mjs';

const given = settings();
const issuer = new URL(given.issuer);
const client = { client_id: given.client_id };
const authentication = given.client_secret ? oauth.ClientSecretBasic(given.client_secret) : oauth.None();
const options = { [oauth.allowInsecureRequests]: true };
const person = new Person(given);

async function discover(algorithm) {
  const response = await oauth.discoveryRequest(issuer, { algorithm, ...options });
  return oauth.processDiscoveryResponse(issuer, response);
}

/// Sends the person to the server; gives what came back, checked, and what belongs to it.
async function authorize(server, decision, extra = {}) {
  const asked = {
    verifier: oauth.generateRandomCodeVerifier(),
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
  };
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: given.redirect_uri,
    response_type: 'code',
    scope: given.scope,
    code_challenge: await oauth.calculatePKCECodeChallenge(asked.verifier),
    code_challenge_method: 'S256',
    state: asked.state,
    nonce: asked.nonce,
    ...extra,
  });
  const callback = await person.answer(url, decision);
  assert.equal(callback.searchParams.get('iss'), server.issuer, 'iss (RFC 9207)');
  return { ...asked, parameters: oauth.validateAuthResponse(server, client, callback, asked.state) };
}

async function refreshed(server, token, additionalParameters) {
  const request = { ...options, additionalParameters };
  const response = await oauth.refreshTokenGrantRequest(server, client, authentication, token, request);
  return oauth.processRefreshTokenResponse(server, client, response);
}

async function introspected(server, token) {
  const response = await oauth.introspectionRequest(server, client, authentication, token, options);
  return oauth.processIntrospectionResponse(server, client, response);
}

const steps = {
  'both metadata documents say the same': async (flow) => {
    flow.server = await discover('oidc');
    const plain = await discover('oauth2');
    for (const [name, value] of Object.entries(plain)) assert.deepEqual(flow.server[name], value, name);
    assert.ok(flow.server.code_challenge_methods_supported.includes('S256'));
    assert.equal(flow.server.authorization_response_iss_parameter_supported, true);
  },
  'sign-in and consent': async (flow) => {
    flow.login = await authorize(flow.server, 'approve');
  },
  'the code buys tokens, the ID token is in order': async (flow) => {
    const { server, login } = flow;
    const response = await oauth.authorizationCodeGrantRequest(
      server, client, authentication, login.parameters, given.redirect_uri, login.verifier, options,
    );
    assert.equal(response.headers.get('cache-control'), 'no-store');
    const checks = { expectedNonce: login.nonce, requireIdToken: true };
    flow.tokens = await oauth.processAuthorizationCodeResponse(server, client, response, checks);
    await oauth.validateApplicationLevelSignature(server, response, options);
    flow.claims = oauth.getValidatedIdTokenClaims(flow.tokens);
    const { alg } = header(flow.tokens.id_token);
    assert.equal(flow.claims.at_hash, await atHash(flow.tokens.access_token, alg), 'at_hash');
    assert.ok(flow.claims.auth_time <= flow.claims.iat, 'auth_time');
    assert.ok(flow.tokens.refresh_token, 'a refresh token');
  },
  'the access token is an RFC 9068 one': async (flow) => {
    const { access_token: token } = flow.tokens;
    const { aud } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
    const request = new Request(given.issuer, { headers: { authorization: `Bearer ${token}` } });
    const claims = await oauth.validateJwtAccessToken(flow.server, request, [aud].flat()[0], options);
    assert.equal(claims.sub, flow.claims.sub);
    assert.equal(claims.client_id, client.client_id);
  },
  'userinfo says who it is': async (flow) => {
    const response = await oauth.userInfoRequest(flow.server, client, flow.tokens.access_token, options);
    const claims = await oauth.processUserInfoResponse(flow.server, client, flow.claims.sub, response);
    assert.equal(claims.email, given.email);
  },
  'a refresh rotates': async (flow) => {
    const before = flow.tokens;
    flow.tokens = await refreshed(flow.server, before.refresh_token);
    assert.notEqual(flow.tokens.refresh_token, before.refresh_token);
    assert.notEqual(flow.tokens.access_token, before.access_token);
  },
  'a refresh may narrow the scope': async (flow) => {
    flow.tokens = await refreshed(flow.server, flow.tokens.refresh_token, { scope: 'openid' });
    assert.equal(flow.tokens.scope, 'openid');
    flow.tokens = await refreshed(flow.server, flow.tokens.refresh_token);
    assert.deepEqual(flow.tokens.scope?.split(' ').sort(), given.scope.split(' ').sort());
  },
};

if (given.client_secret) {
  steps['introspection tells a live token'] = async (flow) => {
    const answer = await introspected(flow.server, flow.tokens.access_token);
    assert.equal(answer.active, true);
    assert.equal(answer.sub, flow.claims.sub);
    assert.equal(answer.client_id, client.client_id);
  };
}

steps['revocation ends the login at once'] = async (flow) => {
  const { server, tokens } = flow;
  const revoke = (token) => oauth.revocationRequest(server, client, authentication, token, options);
  await oauth.processRevocationResponse(await revoke(tokens.refresh_token));
  await oauth.processRevocationResponse(await revoke('unknown'));
  await refused(refreshed(server, tokens.refresh_token), 'invalid_grant');
  const response = await oauth.userInfoRequest(server, client, tokens.access_token, options).catch((error) => error);
  assert.equal(response.status, 401, 'userinfo after revocation');
  if (given.client_secret) {
    assert.deepEqual(await introspected(server, tokens.access_token), { active: false });
  }
};

steps['a denial comes back as one'] = async (flow) => {
  await refused(authorize(flow.server, 'deny', { prompt: 'consent' }), 'access_denied');
};

if (given.machine_scope) {
  steps['client credentials'] = async (flow) => {
    const parameters = { scope: given.machine_scope };
    const response = await oauth.clientCredentialsGrantRequest(flow.server, client, authentication, parameters, options);
    const tokens = await oauth.processClientCredentialsResponse(flow.server, client, response);
    assert.equal(tokens.refresh_token, undefined);
    assert.equal((await introspected(flow.server, tokens.access_token)).active, true);
  };
}

await run('oauth4webapi', steps);
