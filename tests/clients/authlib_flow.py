"""The main path with Authlib. What it is given: see settings.mjs; the person is form_follower.mjs."""

import json
import os
import pathlib
import subprocess
import sys

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the server is on loopback http

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

FOLLOWER = pathlib.Path(__file__).with_name("form_follower.mjs")


def person_answers(url):
    """Signs in and consents; gives the address that the client gets back."""
    run = subprocess.run(["node", FOLLOWER, url], stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode != 0:
        raise SystemExit("authlib: sign-in and consent failed: see above")
    return run.stdout.strip()


def check(holds, message):
    if not holds:
        raise AssertionError(message)


def checked_id_token(server, tokens, client_id, nonce):
    keys = KeySet.import_key_set(requests.get(server["jwks_uri"], timeout=10).json())
    token = jwt.decode(tokens["id_token"], keys, algorithms=server["id_token_signing_alg_values_supported"])
    claims = CodeIDToken(
        token.claims,
        token.header,
        options={
            "iss": {"essential": True, "value": server["issuer"]},
            "aud": {"essential": True, "value": client_id},
        },
        params={"nonce": nonce, "client_id": client_id, "access_token": tokens["access_token"]},
    )
    claims.validate()
    check("at_hash" in claims, "the ID token has no at_hash")
    return claims


def main():
    given = json.loads(os.environ["CLAVIGER_CLIENT_TEST"])
    server = requests.get(given["issuer"] + "/.well-known/openid-configuration", timeout=10).json()
    session = OAuth2Session(
        given["client_id"],
        given.get("client_secret"),
        scope=given["scope"],
        redirect_uri=given["redirect_uri"],
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic" if given.get("client_secret") else "none",
        revocation_endpoint_auth_method="client_secret_basic" if given.get("client_secret") else "none",
    )

    verifier, nonce = generate_token(48), generate_token(24)
    url, state = session.create_authorization_url(
        server["authorization_endpoint"], code_verifier=verifier, nonce=nonce
    )
    tokens = session.fetch_token(
        server["token_endpoint"],
        authorization_response=person_answers(url),
        state=state,
        code_verifier=verifier,
    )
    claims = checked_id_token(server, tokens, given["client_id"], nonce)
    print("authlib: sign-in, consent, code, ID token")

    userinfo = session.get(server["userinfo_endpoint"], timeout=10).json()
    check(userinfo["sub"] == claims["sub"], "userinfo is about somebody else")
    check(userinfo["email"] == given["email"], "userinfo has another address")
    print("authlib: userinfo")

    fresh = session.refresh_token(server["token_endpoint"], refresh_token=tokens["refresh_token"])
    check(fresh["refresh_token"] != tokens["refresh_token"], "the refresh token was not rotated")
    print("authlib: refresh")

    answer = session.revoke_token(server["revocation_endpoint"], token=fresh["refresh_token"])
    check(answer.status_code == 200, f"revocation answered {answer.status_code}: {answer.text}")
    try:
        session.refresh_token(server["token_endpoint"], refresh_token=fresh["refresh_token"])
    except OAuthError as error:
        check(error.error == "invalid_grant", f"expected invalid_grant, got {error.error}")
    else:
        raise AssertionError("a revoked refresh token still works")
    print("authlib: revocation")


if __name__ == "__main__":
    try:
        main()
    except AssertionError as error:
        sys.exit(f"authlib: {error}")
