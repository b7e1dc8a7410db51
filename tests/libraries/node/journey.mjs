// openid-client and oauth4webapi against a running gateway: token, call, introspect, revoke, refused.
//
// Nothing is known beforehand but the API's address and the client's credentials: the metadata tell the rest. Both
// libraries want https; `allowInsecureRequests` is their option for a test without it.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";

const { GATEWAY, CLIENT_ID, CLIENT_SECRET, OWNER, API_PORT } = process.env;
const gateway = new URL(GATEWAY);
const [order, orders] = [new URL("/orders/7", gateway), new URL("/orders", gateway)];
const scope = "orders:read";

function checkToken(token) {
  assert.equal(token.token_type, "bearer");
  assert.ok(token.expires_in > 0);
}

function checkActive(told) {
  assert.ok(told.active);
  assert.deepEqual([told.scope, told.client_id], [scope, CLIENT_ID]);
}

/** A call that reaches the API, which is told who owns the token. */
async function checkPasses(call) {
  const answer = await call;
  assert.deepEqual([answer.status, await answer.text()], [200, OWNER]);
}

/** A call that is refused with this status and error. Both libraries throw at a challenge that they understand. */
async function checkRefused(call, status, error) {
  await assert.rejects(call, (thrown) => {
    assert.equal(thrown.status ?? thrown.cause?.status, status, thrown);
    const [challenge] = thrown.cause?.challenges ?? thrown.cause;
    assert.equal(challenge.scheme, "bearer");
    assert.equal(challenge.parameters.error, error);
    assert.ok(challenge.parameters.resource_metadata.startsWith(gateway.origin));
    return true;
  });
}

async function openidClient(auth) {
  const config = await openid.discovery(gateway, CLIENT_ID, undefined, auth(CLIENT_SECRET), {
    algorithm: "oauth2",
    execute: [openid.allowInsecureRequests],
  });
  const token = await openid.clientCredentialsGrant(config, { scope });
  checkToken(token);
  const call = (url, method) => openid.fetchProtectedResource(config, token.access_token, url, method);
  await checkPasses(call(order, "GET"));
  await checkRefused(call(orders, "POST"), 403, "insufficient_scope");
  checkActive(await openid.tokenIntrospection(config, token.access_token));
  await openid.tokenRevocation(config, token.access_token);
  assert.deepEqual({ ...(await openid.tokenIntrospection(config, token.access_token)) }, { active: false });
  await checkRefused(call(order, "GET"), 401, "invalid_token");
  await assert.rejects(openid.clientCredentialsGrant(config, { scope: "orders:delete" }), { error: "invalid_scope" });
}

async function oauth4webapi(auth) {
  const insecure = { [oauth.allowInsecureRequests]: true };
  const found = await oauth.resourceDiscoveryRequest(gateway, insecure);
  const resource = await oauth.processResourceDiscoveryResponse(gateway, found);
  const issuer = new URL(resource.authorization_servers[0]);
  const answer = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure });
  const server = await oauth.processDiscoveryResponse(issuer, answer);
  const [client, how] = [{ client_id: CLIENT_ID }, auth(CLIENT_SECRET)];

  const grant = await oauth.clientCredentialsGrantRequest(server, client, how, { scope }, insecure);
  const token = await oauth.processClientCredentialsResponse(server, client, grant);
  checkToken(token);
  const call = (url, method) =>
    oauth.protectedResourceRequest(token.access_token, method, url, undefined, undefined, insecure);
  await checkPasses(call(order, "GET"));
  await checkRefused(call(orders, "POST"), 403, "insufficient_scope");
  const introspect = async () => {
    const told = await oauth.introspectionRequest(server, client, how, token.access_token, insecure);
    return oauth.processIntrospectionResponse(server, client, told);
  };
  checkActive(await introspect());
  const revoked = await oauth.revocationRequest(server, client, how, token.access_token, insecure);
  await oauth.processRevocationResponse(revoked);
  assert.deepEqual(await introspect(), { active: false });
  await checkRefused(call(order, "GET"), 401, "invalid_token");
}

// The API behind the gateway: it knows nothing of OAuth and says who it was told that the caller is.
const api = createServer((call, answer) => answer.end(call.headers["x-portcullis-owner"])).listen(API_PORT, "127.0.0.1");
for (const [method, ofOpenid, ofOauth] of [
  ["client_secret_basic", openid.ClientSecretBasic, oauth.ClientSecretBasic],
  ["client_secret_post", openid.ClientSecretPost, oauth.ClientSecretPost],
]) {
  await openidClient(ofOpenid);
  console.log(`ok: openid-client by discovery with ${method}`);
  await oauth4webapi(ofOauth);
  console.log(`ok: oauth4webapi by discovery with ${method}`);
}
api.close();
api.closeAllConnections();
