// What a run is given: one JSON object in CLAVIGER_CLIENT_TEST.
//
//   issuer, client_id, redirect_uri, scope        always
//   client_secret                                 a confidential client's
//   machine_scope                                 what a confidential client may have by client_credentials
//   email, password                               a person who exists; browser.mjs signs up people of its own
//   mail                                          the folder that mail is written to

import assert from 'node:assert/strict';

export function settings() {
  const text = process.env.CLAVIGER_CLIENT_TEST;
  if (!text) fail('CLAVIGER_CLIENT_TEST is not set: see settings.mjs');
  const given = JSON.parse(text);
  for (const name of ['issuer', 'client_id', 'redirect_uri', 'scope']) {
    if (!given[name]) fail(`CLAVIGER_CLIENT_TEST names no ${name}`);
  }
  return given;
}

/// Ends the run with a message that says what is off.
function fail(message) {
  console.error(message);
  process.exit(1);
}

/// Runs named steps one after another; the first that throws ends the run with its name.
export async function run(title, steps) {
  const context = {};
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step(context);
    } catch (error) {
      fail(`${title}: ${name}: ${describe(error)}`);
    }
    console.log(`${title}: ${name}`);
  }
}

/// An error with its cause and, where a server answered, what it said.
function describe(error) {
  const said = error.error ? ` [${error.error}: ${error.error_description ?? 'no description'}]` : '';
  const cause = error.cause ? `\n  because: ${describe(error.cause)}` : '';
  return `${error.stack ?? JSON.stringify(error)}${said}${cause}`;
}

/// Checks that a promise is rejected with this OAuth error.
export async function refused(promise, expected) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.error, expected, `expected ${expected}, got ${describe(error)}`);
    return true;
  });
}

/// The `at_hash` that belongs to an access token (OpenID Connect Core §3.1.3.6).
export async function atHash(accessToken, algorithm) {
  const digest = algorithm === 'EdDSA' ? 'SHA-512' : `SHA-${algorithm.slice(-3)}`;
  const hash = Buffer.from(await crypto.subtle.digest(digest, Buffer.from(accessToken)));
  return hash.subarray(0, hash.length / 2).toString('base64url');
}

/// The header of a JWT, unverified.
export function header(jwt) {
  return JSON.parse(Buffer.from(jwt.split('.')[0], 'base64url'));
}
