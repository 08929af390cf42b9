"""Verifies a webhook as a receiver does, with the PyPI library standardwebhooks."""

import base64
import json
import os

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

given = json.loads(os.environ["CLAVIGER_CLIENT_TEST"])


def refuses(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return
    raise SystemExit("webhooks: what was not sent is taken for it")


for secret in given["secrets"]:
    event = Webhook(secret).verify(given["body"], given["headers"])
    assert event["type"] == "key.created", event
    refuses(secret, given["body"].replace("key_one", "key_two"), given["headers"])
    refuses(secret, given["body"], {**given["headers"], "webhook-id": "msg_another"})
refuses("whsec_" + base64.b64encode(bytes(32)).decode(), given["body"], given["headers"])
