// A person without a browser: follows redirects, keeps cookies, fills in the sign-in and the consent form.
//
// Run by itself it prints the address that the client gets back:
//   node form_follower.mjs AUTHORIZATION_URL

import { pathToFileURL } from 'node:url';
import { settings } from './settings.mjs';

const MOST_STEPS = 20;

export class Person {
  #cookies = new Map();

  constructor({ email, password, redirect_uri }) {
    this.email = email;
    this.password = password;
    this.home = redirect_uri;
  }

  /// Follows an authorization request to its end: the address at the client, with a code or an error.
  async answer(authorizationUrl, decision = 'approve') {
    let response = await this.#send(authorizationUrl);
    const seen = new Set();
    for (let step = 0; step < MOST_STEPS; step += 1) {
      const next = this.#location(response);
      if (next && this.#isHome(next)) return next;
      if (next) {
        response = await this.#send(next);
        continue;
      }
      const page = await response.text();
      const form = this.#form(page, decision);
      const where = `${response.status} at ${response.url}: ${words(page)}`;
      if (!form) throw new Error(`no form to go on with, ${where}`);
      if (seen.has(form.kind)) throw new Error(`the ${form.kind} form came back, ${where}`);
      seen.add(form.kind);
      response = await this.#send(new URL(form.action, response.url), form.fields);
    }
    throw new Error(`no end after ${MOST_STEPS} steps`);
  }

  async #send(url, fields) {
    const headers = { accept: 'text/html', cookie: [...this.#cookies].map((pair) => pair.join('=')).join('; ') };
    const post = fields && { method: 'POST', body: new URLSearchParams(fields) };
    if (post) headers.origin = new URL(url).origin;
    const response = await fetch(url, { ...post, headers, redirect: 'manual' });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=;]+)=([^;]*)/.exec(cookie);
      if (/;\s*max-age=0/i.test(cookie)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return response;
  }

  #location(response) {
    const to = response.headers.get('location');
    return to && new URL(to, response.url);
  }

  #isHome(url) {
    const home = new URL(this.home);
    return url.origin === home.origin && url.pathname === home.pathname;
  }

  /// The form of a page that leads on, filled in.
  #form(page, decision) {
    for (const [, attributes, content] of page.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)) {
      const action = attribute(attributes, 'action') ?? '';
      const fields = [];
      for (const [tag] of content.matchAll(/<input\b[^>]*>/g)) {
        const [name, type] = [attribute(tag, 'name'), attribute(tag, 'type') ?? 'text'];
        const ticked = !['checkbox', 'radio'].includes(type) || attribute(tag, 'checked') !== undefined;
        if (name && type !== 'submit' && ticked) fields.push([name, attribute(tag, 'value') ?? 'on']);
      }
      const has = (name) => fields.some(([own]) => own === name);
      const set = (name, value) => fields.filter(([own]) => own === name).forEach((field) => (field[1] = value));
      if (has('email') && has('password')) {
        set('email', this.email);
        set('password', this.password);
        return { kind: 'sign-in', action, fields };
      }
      if (/<button\b[^>]*\bname=["']?decision\b/.test(content)) {
        return { kind: 'consent', action, fields: [...fields, ['decision', decision]] };
      }
    }
    return undefined;
  }
}

function attribute(tag, name) {
  const found = new RegExp(`\\s${name}(?:\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s"'>]+)))?(?=[\\s/>]|$)`).exec(tag);
  return found ? decode(found[1] ?? found[2] ?? found[3] ?? '') : undefined;
}

function decode(text) {
  const named = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name) return named[name] ?? whole;
    return String.fromCodePoint(hex ? Number.parseInt(hex, 16) : Number(decimal));
  });
}

/// What a page says, for a message.
function words(page) {
  const body = page.replace(/^.*<body[^>]*>/s, '').replace(/<[^>]+>/g, ' ');
  return decode(body).replace(/\s+/g, ' ').trim().slice(0, 400);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log((await new Person(settings()).answer(process.argv[2])).href);
}
