// The developer's way in a real browser: sign-up, a first key, a call with it, rotation, retirement, revocation; and a second
// person who is invited to a team and joins. At phone and desk width, each page checked as visit.mjs does it; and once more
// without JavaScript.
//
//   node keys.mjs [--screenshots DIR]      CLAVIGER_CLIENT_TEST also names `mail`, the folder that mail is written to

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { run, settings } from './settings.mjs';
import { Visit, openBrowser } from './visit.mjs';

const given = settings();
const { values: options } = parseArgs({ options: { screenshots: { type: 'string' } } });
const PASSWORD = 'seven quiet herons at noon';
/// How long what happens beside the requests may take, in milliseconds: mail that goes out, counts that are written.
const PATIENCE = 30_000;

const browser = await openBrowser();

async function until(what, look) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await pause(100)) {
    const found = await look();
    if (found) return found;
  }
  throw new Error(`${what}: waited ${PATIENCE} ms in vain`);
}

/// The link in a mail to somebody that leads to a path.
function mailed(email, path) {
  return until(`a mail to ${email}`, () => {
    for (const name of readdirSync(given.mail)) {
      const text = readFileSync(join(given.mail, name), 'utf8').replaceAll('=\r\n', '').replaceAll('=3D', '=');
      const link = text.includes(`To: ${email}\r\n`) && text.match(new RegExp(`${given.issuer}${path}\\S+`));
      if (link) return link[0];
    }
    return undefined;
  });
}

async function status(key) {
  const response = await fetch(new URL('/v1/auth', given.issuer), { headers: { authorization: `Bearer ${key}` } });
  return response.status;
}

/// Somebody who goes through pages and looks at each.
class Walk {
  constructor(visit, looks) {
    this.visit = visit;
    this.page = visit.page;
    this.looks = looks;
  }

  async look(title) {
    if (this.looks) await this.visit.look(title);
    else assert.deepEqual(this.visit.complaints, []);
  }

  /// Browsers complain of a page that is an answer to something refused: that is meant here.
  expect(refusal) {
    const { complaints } = this.visit;
    const others = complaints.filter((text) => !text.includes(`status of ${refusal}`));
    complaints.splice(0, complaints.length, ...others);
  }

  async go(path) {
    await this.page.goto(new URL(path, given.issuer).href);
  }

  async link(name) {
    await this.page.getByRole('main').getByRole('link', { name }).first().click();
  }

  async button(name) {
    await this.page.getByRole('main').getByRole('button', { name }).first().click();
  }

  async heading(text) {
    await this.page.getByRole('heading', { level: 1, name: text }).waitFor();
  }

  async says(text) {
    await this.page.getByRole('main').getByText(text).first().waitFor();
  }

  async signUp(email, name) {
    const form = this.page.locator('form', { has: this.page.locator('input[name=password]') });
    await form.locator('input[name=name]').fill(name);
    await form.locator('input[name=email]').fill(email);
    await form.locator('input[name=password]').fill(PASSWORD);
    await form.locator('button[type=submit]').first().click();
  }

  async confirm(email) {
    await this.page.goto(await mailed(email, '/(?!invitations)'));
    await this.button('Confirm');
    await this.says(/confirmed|is yours/i);
  }

  /// Reads the key that is shown, and that a reload does not show it again.
  async key(title) {
    const key = (await this.page.locator('#key').textContent()).trim();
    assert.match(key, /^sk_live_\w{49}$/);
    await this.look(title);
    await this.page.reload();
    await this.says('it cannot be shown again');
    assert.ok(!(await this.page.content()).includes(key.slice(0, 20)), 'a reload shows the key');
    return key;
  }

  /// Loads the page anew until it says that.
  async tells(text) {
    await until(`${text} on ${this.page.url()}`, async () => {
      await this.page.reload();
      return (await this.page.getByRole('main').innerText()).replaceAll(/\s+/g, ' ').match(text);
    });
  }
}

async function keys(walk) {
  const { page } = walk;
  await walk.go('/apps');
  await walk.look('home-new');
  await walk.link('Make a key');
  await walk.heading('New key');
  await page.getByText('Limits, end and addresses').click();
  await walk.look('new-key');
  await page.getByLabel('Name').fill('Warehouse sync');
  await page.getByLabel('Requests an hour').fill('1000');
  await walk.button('Make the key');
  await walk.heading('Warehouse sync is ready');
  const old = await walk.key('key-shown');

  assert.equal(await status(old), 200);
  await walk.tells(/Accepted 1\b.*999 left of 1,000|999 left of 1,000.*Accepted 1\b/);
  await walk.look('key');

  await walk.link('Rotate…');
  await walk.look('key-rotate');
  await page.getByLabel('The old key').selectOption({ label: 'Lives on until I retire it' });
  await walk.button('Make the successor');
  await walk.heading('Warehouse sync has a successor');
  const successor = await walk.key('key-successor');
  assert.deepEqual([await status(old), await status(successor)], [200, 200]);
  await walk.tells(/Old key sk_live_\w+… Rotated 2\b.*Successor, this one sk_live_\w+… Active 1\b/);
  await walk.look('key-rotated');

  await walk.link('Retire the old key…');
  await walk.look('key-retire');
  await walk.button('Retire the old key');
  await walk.says('something still has it');
  walk.expect(409);
  await walk.look('key-retire-refused');
  assert.equal(await status(old), 200);
  await walk.button('Retire it all the same');
  await walk.says('The old key is retired');
  await walk.look('key-retired');
  assert.deepEqual([await status(old), await status(successor)], [401, 200]);

  await walk.link(/^Successor/);
  await walk.link('Revoke…');
  await walk.look('key-revoke');
  await walk.button('Revoke the key');
  await walk.says('Revoked by hand');
  await walk.look('key-revoked');
  assert.equal(await status(successor), 401);

  await page.getByRole('navigation', { name: 'Breadcrumb' }).getByRole('link').last().click();
  await walk.says('No key yet');
  await walk.look('app-without-keys');
  await walk.link('Former keys');
  await walk.look('former-keys');
  await page.goBack();
  await walk.link(/^Change/);
  await walk.look('policy');
  await walk.button('Save');
  await walk.says('What its keys may do');
}

async function invitation(walk, guest, email) {
  await walk.go('/accounts/new');
  await walk.look('new-team');
  await walk.page.getByLabel('Name').fill('Marsh & Daughters');
  await walk.button('Open the team');
  await walk.heading('Marsh & Daughters');
  await walk.page.getByLabel('E-mail address').fill(email);
  await walk.button('Send the invitation');
  await walk.says('The invitation is on its way.');
  await walk.look('account-invited');

  const link = await mailed(email, '/invitations/accept');
  await guest.page.goto(link);
  guest.expect(403);
  await guest.heading('Join Marsh & Daughters?');
  await guest.look('join-signed-out');
  await guest.link('Create an account');
  await guest.signUp(email, 'Bea Newcomer');
  await guest.says('Confirm your e-mail address first');
  guest.expect(403);
  await guest.look('join-unverified');
  await guest.confirm(email);
  await guest.page.goto(link);
  await guest.heading('Join Marsh & Daughters?');
  await guest.look('join');
  await guest.button('Join');
  await guest.says('you are a member now');
  await guest.look('account-joined');
}

async function journey(begin, looks) {
  const one = randomBytes(6).toString('hex');
  const [walk, guest] = [new Walk(await begin(), looks), new Walk(await begin(), looks)];
  try {
    const email = `robin-${one}@example.com`;
    await walk.go('/sign-up');
    await walk.signUp(email, 'Robin Newcomer');
    await walk.heading('Your apps');
    await walk.confirm(email);
    await keys(walk);
    await invitation(walk, guest, `bea-${one}@example.com`);
  } catch (error) {
    const places = [walk, guest].map(({ page, visit }) => `${page.url()} (${visit.complaints.join(' | ') || 'quiet'})`);
    throw new Error(`at ${places.join(' and ')}`, { cause: error });
  }
  for (const { page } of [walk, guest]) await page.context().close();
}

const steps = {};
for (const [width, scheme] of [[375, 'dark'], [1280, 'light']]) {
  steps[`${width} px, ${scheme}`] = () => journey(() => Visit.begin(browser, { width, scheme, ...options }), true);
}
steps['without JavaScript'] = () =>
  journey(() => Visit.begin(browser, { width: 1280, scheme: 'light', javaScriptEnabled: false }), false);

await run('keys', steps);
await browser.close();
