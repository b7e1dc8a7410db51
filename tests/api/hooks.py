"""What no schema can say, arranged before a call: a client authenticates in one way and asks for no more than it may
have, and a client's default scopes are some of its scopes. Calls that are meant to be wrong go out as they were made."""

import base64
import os
import random

import schemathesis

CLIENT = {"client_id": os.environ["CLIENT_ID"], "client_secret": os.environ["CLIENT_SECRET"]}
ORGANIZATION = {"X-Org-Id": os.environ["ORGANIZATION_ID"], "X-API-Key": os.environ["ORGANIZATION_KEY"]}
BASIC = "Basic " + base64.b64encode(":".join(CLIENT.values()).encode()).decode()
FORM = "application/x-www-form-urlencoded"
STATEFUL = os.environ.get("STATEFUL")

choice = random.Random(0).choice


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """The tool takes X-Org-Id for the id of a thing that an earlier call has to make, and so finds no call to begin a
    story with: in stories the credentials are sent from here. And it takes a list that a DELETE has emptied for one
    that is gone, and complains that it can still be read."""
    if STATEFUL:
        for item in raw_schema["paths"].values():
            for operation in item.values():
                operation.pop("security", None)
                for response in operation["responses"].values():
                    response.get("links", {}).pop("revokeTokens", None)


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if STATEFUL:
        case.headers.update({"Authorization": BASIC} if case.media_type == FORM else ORGANIZATION)
    if not isinstance(body, dict) or case.meta is None or case.meta.generation.mode.is_negative:
        return
    if case.media_type == FORM:
        authenticate(case, body)
        narrow(body)
    elif body.get("default_scopes"):
        scopes = body.setdefault("scopes", [])
        scopes.extend(scope for scope in body["default_scopes"] if scope not in scopes)
    elif case.method == "PATCH" and "scopes" in body:
        # Those that it has may be none of the new ones.
        body["default_scopes"] = None


def authenticate(case, body):
    """By the form where the call made up a secret, else by the header."""
    if "client_secret" in body:
        body.update(CLIENT)
        case.headers.pop("Authorization", None)
    else:
        body.pop("client_id", None)


def narrow(body):
    """The client has the scopes a and b, and the audiences https://a and https://b."""
    if "grant_type" in body:
        if body.get("scope"):
            body["scope"] = choice(["a", "b", "a b", "b a", "a a"])
        for name in ("resource", "audience"):
            if body.get(name):
                body[name] = [choice(["https://a", "https://b", ""]) for _ in body[name]]
