//! Identities of a client's own making: under no spelling, on no route, by no way around do they arrive.

use super::{House, Row, get, passes, request, seen, seen_in_case};

/// Names that belong to the gateway, in every spelling that some server reads as one of them.
const SPOOFED: [&str; 35] = [
    "X-Portcullis-Owner",
    "x-portcullis-owner",
    "X-PORTCULLIS-OWNER",
    "X_Portcullis_Owner",
    "x_portcullis_owner",
    "X-Portcullis_Owner",
    "X.Portcullis.Owner",
    "x.portcullis-owner",
    "XPortcullisOwner",
    "X-Port-cullis-Owner",
    "X--Portcullis--Owner",
    "X-Portcullis-Owner-",
    "-X-Portcullis-Owner",
    "X-Portcullis~Owner",
    "X+Portcullis+Owner",
    "X-Portcullis-Owner-Name",
    "X-Portcullis-Client",
    "X-Portcullis-Scopes",
    "X-Portcullis-Audience",
    "X-Portcullis-Token-Id",
    "X-Portcullis-Would-Deny",
    "X-Portcullis-Anything",
    "X-Consumer-ID",
    "X-Consumer-Custom-ID",
    "x_consumer_username",
    "X-Consumer-Groups",
    "X-Credential-Identifier",
    "X-Authenticated-Scope",
    "X-Authenticated-Userid",
    "X-Anonymous-Consumer",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Auth-Request-User",
    "X-Partner",
    "x.partner",
];

#[test]
fn no_identity_but_ours_arrives() {
    let house = House::open();
    no_spelling_of_an_identity_arrives_on_any_route(&house);
    a_trailer_is_no_way_in(&house);
    a_secret_is_told_to_nobody(&house);
}

fn no_spelling_of_an_identity_arrives_on_any_route(house: &House) {
    let client = house.gateway.client(&["a"]);
    let bearer = format!("Authorization: Bearer {}\r\n", house.gateway.token(&client, None));
    let ours = format!("x-portcullis-owner: {}\r\n", client.organization);
    let mut rows = Vec::new();
    for name in SPOOFED {
        let field = format!("{name}: evil\r\n");
        rows.push(passes(name, get("/x", &field), seen("GET /x", "", "")));
        rows.push(passes(name, get("/closed", &format!("{field}{bearer}{field}")), owned("GET /closed", "", &ours)));
        let named = format!("Connection: {name}, X-Portcullis-Owner\r\n{field}{bearer}");
        rows.push(passes(name, get("/closed", &named), owned("GET /closed", "", &ours)));
    }
    house.holds(&rows);
}

/// What arrives of a request of an authenticated client.
fn owned(line: &str, headers: &str, identity: &str) -> String {
    let seen = seen(line, headers, "");
    format!("{}{identity}\r\n", seen.strip_suffix("\r\n").unwrap())
}

fn a_trailer_is_no_way_in(house: &House) {
    let chunked = |trailer: &str| {
        let coding = "Transfer-Encoding: chunked\r\n";
        let sent = request(
            "POST /x",
            &format!("{coding}Trailer: X-Portcullis-Owner\r\n"),
            &format!("3\r\nabc\r\n0\r\n{trailer}\r\n"),
        );
        passes(trailer, sent, seen("POST /x", coding, "3\r\nabc\r\n0\r\n\r\n"))
    };
    let rows: Vec<Row> = [
        "X-Portcullis-Owner: evil\r\n",
        "A: b\r\nx_portcullis_owner: evil\r\n",
        "Host: b\r\nContent-Length: 5\r\n",
        "A\r\n",
    ]
    .map(chunked)
    .into();
    house.holds(&rows);
}

fn a_secret_is_told_to_nobody(house: &House) {
    let gone = |field: &str| passes(field, get("/x", field), seen("GET /x", "", ""));
    house.holds(&[
        gone("Cookie: a=prt_at_x\r\n"),
        gone("Cookie: a=PRT_AT_x\r\n"),
        gone("A: b\r\nA: prt_cs_x\r\n"),
        gone("Referer: http://a/?prt_ak_x\r\n"),
        gone("Authorization: Bearer prt_at_x\r\n"),
        gone("Authorization: Basic x\r\nAuthorization: Digest y\r\n"),
        passes(
            "where it is wanted",
            get("/odd", "Authorization: Basic x\r\n"),
            seen_in_case("GET /odd", "Authorization: Basic x\r\n"),
        ),
    ]);
}
