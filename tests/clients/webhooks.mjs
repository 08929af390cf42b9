// Verifies a webhook as a receiver does, with the npm library standardwebhooks.
import assert from "node:assert";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

const { secrets, headers, body } = JSON.parse(process.env.CLAVIGER_CLIENT_TEST);
for (const secret of secrets) {
  const event = new Webhook(secret).verify(body, headers);
  assert.equal(event.type, "key.created");
  assert.throws(() => new Webhook(secret).verify(body.replace("key_one", "key_two"), headers), WebhookVerificationError);
  const another = { ...headers, "webhook-id": "msg_another" };
  assert.throws(() => new Webhook(secret).verify(body, another), WebhookVerificationError);
}
const stranger = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
assert.throws(() => new Webhook(stranger).verify(body, headers), WebhookVerificationError);
