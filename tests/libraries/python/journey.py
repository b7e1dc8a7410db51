"""Authlib and requests-oauthlib against a running gateway: token, call, introspect, revoke, refused.

Nothing is known beforehand but the API's address and the client's credentials: the challenge of a refused call leads to
the protected resource's metadata (RFC 9728), this to the authorization server's (RFC 8414).
"""

import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Both libraries want https; this is their option for a test without it.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

import requests
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from oauthlib.oauth2 import BackendApplicationClient, InvalidScopeError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session as OauthlibSession

ORDER = os.environ["GATEWAY"] + "/orders/7"
CLIENT = (os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
ASKED = "orders:read"


class Orders(BaseHTTPRequestHandler):
    """The API behind the gateway: it knows nothing of OAuth and says who it was told that the caller is."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.headers["X-Portcullis-Owner"].encode())

    def log_message(self, *_):
        pass


def discover():
    """The authorization server's metadata, found from the API's address alone."""
    challenge = requests.get(ORDER).headers["WWW-Authenticate"]
    resource = requests.get(re.search('resource_metadata="([^"]+)"', challenge)[1]).json()
    issuer = resource["authorization_servers"][0]
    metadata = AuthorizationServerMetadata(requests.get(get_well_known_url(issuer, external=True)).json())
    metadata.validate()
    assert metadata["issuer"] == issuer, metadata
    return metadata


def check_token(token):
    assert token["token_type"].lower() == "bearer" and token["expires_in"] > 0, token


def check_calls(session):
    """What the scope allows passes, what it does not is refused."""
    answer = session.get(ORDER)
    assert (answer.status_code, answer.text) == (200, os.environ["OWNER"]), answer.text
    refused = session.post(os.environ["GATEWAY"] + "/orders")
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope"), refused.text


def check_active(told):
    assert told["active"] is True and told["scope"] == ASKED and told["client_id"] == CLIENT[0], told


def check_revoked(session, told):
    assert told == {"active": False}, told
    refused = session.get(ORDER)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token"), refused.text


def authlib(metadata, method):
    session = AuthlibSession(
        *CLIENT,
        scope=ASKED,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    )
    token = session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    check_token(token)
    check_calls(session)
    introspect = lambda: session.introspect_token(metadata["introspection_endpoint"], token["access_token"]).json()
    check_active(introspect())
    revoked = session.revoke_token(metadata["revocation_endpoint"], token["access_token"], "access_token")
    assert revoked.status_code == 200, revoked.text
    check_revoked(session, introspect())


def requests_oauthlib(metadata, method):
    """The library knows token requests only; introspection and revocation are plain requests."""
    session = OauthlibSession(client=BackendApplicationClient(CLIENT[0], scope=ASKED))
    basic = HTTPBasicAuth(*CLIENT) if method == "client_secret_basic" else None
    how = {"auth": basic} if basic else {"include_client_id": True, "client_secret": CLIENT[1]}
    token = session.fetch_token(metadata["token_endpoint"], **how)
    check_token(token)
    check_calls(session)
    form = {"token": token["access_token"]} | ({} if basic else dict(zip(("client_id", "client_secret"), CLIENT)))
    introspect = lambda: requests.post(metadata["introspection_endpoint"], form, auth=basic).json()
    check_active(introspect())
    assert requests.post(metadata["revocation_endpoint"], form, auth=basic).status_code == 200
    check_revoked(session, introspect())
    beyond = OauthlibSession(client=BackendApplicationClient(CLIENT[0], scope="orders:delete"))
    try:
        beyond.fetch_token(metadata["token_endpoint"], **how)
        sys.exit("a scope beyond the client's was granted")
    except InvalidScopeError:
        pass


api = ThreadingHTTPServer(("127.0.0.1", int(os.environ["API_PORT"])), Orders)
threading.Thread(target=api.serve_forever, daemon=True).start()
metadata = discover()
for library in (authlib, requests_oauthlib):
    for method in metadata["token_endpoint_auth_methods_supported"]:
        library(metadata, method)
        print(f"ok: {library.__name__} by discovery with {method}")
