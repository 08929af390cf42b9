// A browser, and what is looked at on every page: the console, accessibility, and the narrowest width.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const BROWSERS = [process.env.CLAVIGER_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const QUIET = '--no-sandbox --disable-gpu --disable-background-networking --disable-quic --no-first-run --disable-component-update --disable-sync';
const NARROWEST = 320;
/// How long anything that a page should do at once may take, in milliseconds.
const PATIENCE = 30_000;

export async function openBrowser() {
  const executablePath = BROWSERS.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error('no Chromium here: `make test` installs it, CLAVIGER_CHROMIUM names another');
  return chromium.launch({ executablePath, args: QUIET.split(' ') });
}

/// One person's browser, and what went wrong in it.
export class Visit {
  constructor(name, page, screenshots) {
    this.name = name;
    this.page = page;
    this.screenshots = screenshots;
    if (screenshots) mkdirSync(screenshots, { recursive: true });
    this.complaints = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('requestfailed', (request) => {
      const error = request.failure()?.errorText;
      // A picture that was still on its way when its page was left.
      if (error === 'net::ERR_ABORTED' && !request.isNavigationRequest()) return;
      this.complaints.push(`${request.url()}: ${error}`);
    });
  }

  static async begin(browser, { width, scheme, javaScriptEnabled = true, screenshots }) {
    const context = await browser.newContext({
      viewport: { width, height: 800 },
      colorScheme: scheme,
      javaScriptEnabled,
    });
    context.setDefaultTimeout(PATIENCE);
    return new Visit(`${width}-${scheme}`, await context.newPage(), screenshots);
  }

  /// Looks at the page that is open: console, picture, axe, and the narrowest width.
  async look(title) {
    const { page } = this;
    if (this.screenshots) {
      await page.screenshot({ path: `${this.screenshots}/${title}-${this.name}.png`, fullPage: true });
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
