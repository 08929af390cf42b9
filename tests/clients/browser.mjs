// The whole flow in a real browser, as a newcomer goes through it: sign-up, consent, connected apps, revocation.
// Twice two times, at phone and desk width, in light and dark, with every page checked for accessibility, for
// console errors and for sideways scrolling; and once more without JavaScript.
//
//   node browser.mjs [--screenshots DIR]

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { run, settings } from './settings.mjs';

const given = settings();
const { values: options } = parseArgs({ options: { screenshots: { type: 'string' } } });
if (options.screenshots) mkdirSync(options.screenshots, { recursive: true });

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const BROWSERS = [process.env.CLAVIGER_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const QUIET = '--no-sandbox --disable-gpu --disable-background-networking --disable-quic --no-first-run --disable-component-update --disable-sync';
const PASSWORD = 'seven quiet herons at noon';
const NARROWEST = 320;
/// How long anything that a page should do at once may take, in milliseconds.
const PATIENCE = 10_000;

/// The client: a page that the server sends the browser back to, on a port of its own (RFC 8252 §7.3).
const callback = createServer((request, response) => {
  response.setHeader('content-type', 'text/html');
  response.end('<!doctype html><html lang=en><title>Back</title><link rel=icon href="data:,"><h1>Back at the app</h1>');
});
await new Promise((resolve) => callback.listen(0, '127.0.0.1', resolve));
const redirectUri = new URL(given.redirect_uri);
redirectUri.port = callback.address().port;

const executablePath = BROWSERS.find((path) => path && existsSync(path));
const browser = await chromium.launch({ executablePath, args: QUIET.split(' ') });

/// One person's browser, and what went wrong in it.
class Visit {
  constructor(name, page) {
    this.name = name;
    this.page = page;
    this.complaints = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('requestfailed', (request) => this.complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
  }

  static async begin({ width, scheme, javaScriptEnabled = true }) {
    const context = await browser.newContext({
      viewport: { width, height: 800 },
      colorScheme: scheme,
      javaScriptEnabled,
    });
    context.setDefaultTimeout(PATIENCE);
    return new Visit(`${width}-${scheme}`, await context.newPage());
  }

  /// Looks at the page that is open: console, picture, axe, and the narrowest width.
  async look(title) {
    const { page } = this;
    if (options.screenshots) {
      await page.screenshot({ path: `${options.screenshots}/${title}-${this.name}.png`, fullPage: true });
    }
    assert.deepEqual(this.complaints, [], `${title}: the console is not empty`);
    // Evaluated by the debugger, not by the page: the page's own policy stays in force.
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' | ')}`);
    assert.deepEqual(found, [], `${title}: axe`);
    const size = page.viewportSize();
    await page.setViewportSize({ width: NARROWEST, height: size.height });
    const needed = await page.evaluate(() => globalThis.document.documentElement.scrollWidth);
    assert.ok(needed <= NARROWEST, `${title}: needs ${needed} px at ${NARROWEST}`);
    await page.setViewportSize(size);
  }
}

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

/// Takes the app off the list of connected apps; a page that asks once more is answered.
async function disconnect(page, look) {
  await page.goto(new URL('/account/apps', given.issuer).href);
  await look('connected-apps');
  const revoke = page.getByRole('button', { name: /revoke|disconnect|remove/i }).or(
    page.getByRole('link', { name: /revoke|disconnect|remove/i }),
  );
  await revoke.first().click();
  const sure = page.getByRole('button', { name: /revoke|disconnect|remove/i });
  if (await sure.count()) {
    await look('disconnect');
    await sure.first().click();
  }
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
      const visit = await Visit.begin({ width, scheme });
      await journey(visit, (title) => visit.look(title));
    };
  }
}
steps['without JavaScript'] = async () => {
  const visit = await Visit.begin({ width: 1280, scheme: 'light', javaScriptEnabled: false });
  await journey(visit, () => assert.deepEqual(visit.complaints, []));
};

await run('browser', steps);
await browser.close();
callback.close();
