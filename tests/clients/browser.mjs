// The whole flow in a real browser, as a newcomer goes through it: sign-up, consent, connected apps, revocation.
// Twice two times, at phone and desk width, in light and dark, with every page checked for accessibility, for
// console errors and for sideways scrolling; and once more without JavaScript.
//
//   node browser.mjs [--screenshots DIR]

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { run, settings } from './settings.mjs';
import { Visit, openBrowser } from './visit.mjs';

const given = settings();
const { values: options } = parseArgs({ options: { screenshots: { type: 'string' } } });

const PASSWORD = 'seven quiet herons at noon';

/// The client: a page that the server sends the browser back to, on a port of its own (RFC 8252 §7.3).
const callback = createServer((request, response) => {
  response.setHeader('content-type', 'text/html');
  response.end('<!doctype html><html lang=en><title>Back</title><link rel=icon href="data:,"><h1>Back at the app</h1>');
});
await new Promise((resolve) => callback.listen(0, '127.0.0.1', resolve));
const redirectUri = new URL(given.redirect_uri);
redirectUri.port = callback.address().port;

const browser = await openBrowser();

async function token(parameters) {
  const secret = given.client_secret && { client_secret: given.client_secret };
  const body = new URLSearchParams({ client_id: given.client_id, ...secret, ...parameters });
  const response = await fetch(new URL('/oauth/token', given.issuer), { method: 'POST', body });
  return { status: response.status, ...(await response.json()) };
}

function authorizationUrl(verifier, state) {
  const url = new URL('/oauth/authorize', given.issuer);
  url.search = new URLSearchParams({
    client_id: given.client_id,
    redirect_uri: redirectUri.href,
    response_type: 'code',
    scope: given.scope,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    state,
  });
  return url.href;
}

async function signUp(page, email, look) {
  await page.locator('input[name=password]').waitFor();
  await look('sign-in');
  await page.getByRole('link', { name: /create|sign up/i }).first().click();
  const form = page.locator('form', { has: page.locator('input[name=password]') });
  await form.locator('input[name=email]').waitFor();
  await look('sign-up');
  await form.locator('input[name=name]').fill('Robin Newcomer');
  await form.locator('input[name=email]').fill(email);
  await form.locator('input[name=password]').fill(PASSWORD);
  await form.locator('button[type=submit], button:not([type])').first().click();
}

async function consent(page, look) {
  await page.locator('button[name=decision][value=approve]').waitFor();
  await look('consent');
  await page.locator('button[name=decision][value=approve]').click();
  await page.waitForURL((url) => url.port === redirectUri.port && url.pathname === redirectUri.pathname);
  return new URL(page.url()).searchParams;
}

/// Takes the app off the list of connected apps, through its page and the question that it asks.
async function disconnect(page, look) {
  const list = new URL('/account/apps', given.issuer).href;
  await page.goto(list);
  await look('connected-apps');
  await page.locator('main a[href^="/account/apps/"]').first().click();
  await look('connected-app');
  await page.getByRole('button', { name: 'Disconnect' }).click();
  await look('connected-app-question');
  await page.getByRole('dialog').getByRole('button', { name: 'Disconnect' }).click();
  await page.waitForURL((url) => url.pathname === '/account/apps');
  await look('connected-apps-none');
}

/// Goes the whole way; what fails is told with where it was and what the console said.
async function journey(visit, look) {
  try {
    await walk(visit, look);
  } catch (error) {
    throw new Error(`at ${visit.page.url()}, console: ${visit.complaints.join(' | ') || 'empty'}`, { cause: error });
  }
  await visit.page.context().close();
}

async function walk(visit, look) {
  const verifier = randomBytes(32).toString('base64url');
  const state = randomBytes(8).toString('hex');
  const { page } = visit;
  await page.goto(authorizationUrl(verifier, state));
  await signUp(page, `robin-${randomBytes(6).toString('hex')}@example.com`, look);
  const answer = await consent(page, look);
  assert.equal(answer.get('error'), null, answer.get('error_description') ?? '');
  assert.equal(answer.get('state'), state);
  assert.equal(answer.get('iss'), given.issuer);
  const tokens = await token({
    grant_type: 'authorization_code',
    code: answer.get('code'),
    redirect_uri: redirectUri.href,
    code_verifier: verifier,
  });
  assert.equal(tokens.status, 200, JSON.stringify(tokens));
  const refreshed = await token({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token });
  assert.equal(refreshed.status, 200, JSON.stringify(refreshed));
  await disconnect(page, look);
  const late = await token({ grant_type: 'refresh_token', refresh_token: refreshed.refresh_token });
  assert.equal(late.status, 400, JSON.stringify(late));
  assert.equal(late.error, 'invalid_grant');
}

const steps = {};
for (const width of [375, 1280]) {
  for (const scheme of ['light', 'dark']) {
    steps[`${width} px, ${scheme}`] = async () => {
      const visit = await Visit.begin(browser, { width, scheme, ...options });
      await journey(visit, (title) => visit.look(title));
    };
  }
}
steps['without JavaScript'] = async () => {
  const visit = await Visit.begin(browser, { width: 1280, scheme: 'light', javaScriptEnabled: false });
  await journey(visit, () => assert.deepEqual(visit.complaints, []));
};

await run('browser', steps);
await browser.close();
callback.close();
