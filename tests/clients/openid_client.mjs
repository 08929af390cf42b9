// The main path with openid-client, as its own guide shows it.

import assert from 'node:assert/strict';
import * as openid from 'openid-client';
import { Person } from './form_follower.mjs';
import { refused, run, settings } from './settings.mjs';

const given = settings();
const person = new Person(given);

async function authorize(config, extra = {}) {
  const checks = {
    pkceCodeVerifier: openid.randomPKCECodeVerifier(),
    expectedState: openid.randomState(),
    expectedNonce: openid.randomNonce(),
    idTokenExpected: true,
  };
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: given.redirect_uri,
    scope: given.scope,
    code_challenge: await openid.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    ...extra,
  });
  return openid.authorizationCodeGrant(config, await person.answer(url), checks);
}

await run('openid-client', {
  discovery: async (flow) => {
    const authentication = given.client_secret ? openid.ClientSecretPost(given.client_secret) : openid.None();
    flow.config = await openid.discovery(new URL(given.issuer), given.client_id, undefined, authentication, {
      execute: [openid.allowInsecureRequests, openid.enableNonRepudiationChecks],
    });
  },
  'sign-in, consent, code, ID token': async (flow) => {
    flow.tokens = await authorize(flow.config);
    flow.sub = flow.tokens.claims().sub;
  },
  'prompt=none needs no page the second time': async (flow) => {
    const again = await authorize(flow.config, { prompt: 'none' });
    assert.equal(again.claims().sub, flow.sub);
  },
  'userinfo': async (flow) => {
    const claims = await openid.fetchUserInfo(flow.config, flow.tokens.access_token, flow.sub);
    assert.equal(claims.email, given.email);
  },
  'refresh': async (flow) => {
    const before = flow.tokens;
    flow.tokens = await openid.refreshTokenGrant(flow.config, before.refresh_token);
    assert.notEqual(flow.tokens.refresh_token, before.refresh_token);
  },
  'revocation': async (flow) => {
    await openid.tokenRevocation(flow.config, flow.tokens.refresh_token);
    await refused(openid.refreshTokenGrant(flow.config, flow.tokens.refresh_token), 'invalid_grant');
  },
});
