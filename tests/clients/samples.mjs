// Every page's sample, in a real browser: what the flow of browser.mjs does not come by is looked at here.
//
//   node samples.mjs DIR [--screenshots DIR]      where `tests/it/pages.rs` wrote them, with their static files

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, extname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { run } from './settings.mjs';
import { Visit, openBrowser } from './visit.mjs';

const { values: options, positionals } = parseArgs({
  options: { screenshots: { type: 'string' } },
  allowPositionals: true,
});
const folder = positionals[0];
const TYPES = { '.html': 'text/html; charset=utf-8', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml' };

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  try {
    const body = readFileSync(join(folder, pathname));
    response.setHeader('content-type', TYPES[extname(pathname)] ?? 'application/octet-stream');
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;
const browser = await openBrowser();
const names = readdirSync(folder).filter((name) => extname(name) === '.html');
if (names.length === 0) throw new Error(`no sample in ${folder}`);

const steps = {};
for (const [width, scheme] of [[375, 'dark'], [1280, 'light']]) {
  steps[`${names.length} samples at ${width} px, ${scheme}`] = async () => {
    const visit = await Visit.begin(browser, { width, scheme, ...options });
    // A page that sends itself on stays to be looked at.
    await visit.page.route('**/submit.js', (route) => route.fulfill({ contentType: 'text/javascript', body: '' }));
    const wrong = [];
    for (const name of names) {
      await visit.page.goto(`${origin}/${name}`);
      await visit.look(basename(name, '.html')).catch((error) => wrong.push(error.message));
      visit.complaints.length = 0;
    }
    if (wrong.length > 0) throw new Error(`${wrong.length} are not in order\n${wrong.join('\n')}`);
  };
}

for (const [name, button] of [
  ['new-key', 'Make the key'],
  ['key-question', 'Make the successor'],
  ['home-new', 'Reveal it'],
  ['new-client', 'Register the client'],
  ['client', 'Add a secret'],
]) {
  steps[`${name}: a double click sends the form once, and whoever comes back sends it again`] = async () => {
    const { page } = await Visit.begin(browser, { width: 1280, scheme: 'light' });
    await page.goto(`${origin}/${name}.html`);
    // Counts what would be sent, and stays on the page.
    await page.evaluate(() => {
      globalThis.sent = 0;
      globalThis.addEventListener('submit', (event) => {
        if (!event.defaultPrevented) globalThis.sent += 1;
        event.preventDefault();
      });
    });
    const send = page.getByRole('button', { name: button });
    const form = page.locator('form', { has: send });
    for (const field of await form.locator(':is(input, textarea)[required]').all()) await field.fill('x');
    await send.dblclick();
    assert.equal(await page.evaluate(() => globalThis.sent), 1);
    await page.evaluate(() => globalThis.dispatchEvent(new Event('pageshow')));
    await send.dblclick();
    assert.equal(await page.evaluate(() => globalThis.sent), 2);
    await page.context().close();
  };
}

for (const width of [375, 1280]) {
  steps[`the reference begins with its text at ${width} px`] = async () => {
    const { page } = await Visit.begin(browser, { width, scheme: 'light', javaScriptEnabled: false });
    await page.goto(`${origin}/docs.html`);
    const { y } = await page.getByRole('heading', { level: 1 }).boundingBox();
    assert.ok(y < 200, `the heading is ${y} px down`);
    const operation = page.getByRole('navigation').getByRole('link', { name: '/v1/keys/verify' });
    if (width < 960) {
      assert.ok(!(await operation.isVisible()));
      await page.getByText('Contents').click();
    }
    await operation.click();
    assert.ok(page.url().includes('docs.html#'));
    await page.context().close();
  };
}

await run('samples', steps);
await browser.close();
server.close();
