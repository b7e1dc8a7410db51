//! Credentials: one, in its place, or none.

use super::{House, Row, get, kept, passes, refused, seen};

/// Values of `Authorization` that are no credential, where `TOKEN` is a good token.
const NO_CREDENTIALS: [&str; 24] = [
    "",
    "TOKEN",
    "Bearer",
    "Bearer ",
    "BearerTOKEN",
    "Bearer=TOKEN",
    "Bearer:TOKEN",
    "Basic TOKEN",
    "Token TOKEN",
    "Bearer, TOKEN",
    "Bearer TOKEN, Bearer TOKEN",
    "Bearer TOKEN,TOKEN",
    "Bearer TOKEN TOKEN",
    "Bearer \"TOKEN\"",
    "Bearer TOKENx",
    "Bearer xTOKEN",
    "Basic x, Bearer TOKEN",
    "Bearer token=TOKEN",
    "Bearer TOKEN;",
    "\"Bearer\" TOKEN",
    "Bearer\u{a0}TOKEN",
    "Bearer Bearer TOKEN",
    "Bearer \u{e4}",
    "Bearer %54OKEN",
];

/// Queries that some server finds a token in.
const IN_THE_QUERY: [&str; 13] = [
    "access_token=x",
    "access_token",
    "access_token=",
    "a=b&access_token=x",
    "a;access_token=x",
    "%61ccess_token=x",
    "access%5Ftoken=x",
    "access%5ftoken=x",
    "%2561ccess_token=x",
    "access_token%3Dx",
    "+access_token=x",
    "access_token[]=x",
    "&&access_token",
];

#[test]
fn a_credential_stands_once_and_in_its_header() {
    let house = House::open();
    let client = house.gateway.client(&["a"]);
    let token = house.gateway.token(&client, None);
    let arrives = |target: &str| {
        let seen = seen(&format!("GET {target}"), "", "");
        format!("{}x-portcullis-owner: {}\r\n\r\n", seen.strip_suffix("\r\n").unwrap(), client.organization)
    };
    let with = |values: &[&str]| {
        let fields: Vec<String> = values.iter().map(|value| format!("Authorization: {value}\r\n")).collect();
        get("/closed", &fields.concat().replace("TOKEN", &token))
    };
    let mut rows: Vec<Row> =
        ["Bearer TOKEN", "bearer TOKEN", "BEARER TOKEN", "Bearer  TOKEN ", "Bearer\tTOKEN", "Bearer \t TOKEN\t"]
            .map(|value| passes(value, with(&[value]), arrives("/closed")))
            .into();
    for value in NO_CREDENTIALS {
        rows.push(kept(401, value, with(&[value])));
    }
    for values in [["Bearer TOKEN", "Bearer TOKEN"], ["Basic x", "Bearer TOKEN"], ["Bearer TOKEN", ""], ["", ""]] {
        rows.push(refused(400, "two", with(&values)));
    }
    for query in IN_THE_QUERY {
        let bearer = format!("Authorization: Bearer {token}\r\n");
        rows.push(refused(400, query, get(&format!("/closed?{query}"), &bearer)));
        rows.push(refused(400, query, get(&format!("/closed?{query}"), "")));
        rows.push(passes("public", get(&format!("/x?{query}"), ""), seen(&format!("GET /x?{query}"), "", "")));
    }
    let harmless = "/closed?a=access_token&my_access_token=x";
    rows.push(passes(harmless, get(harmless, &format!("Authorization: Bearer {token}\r\n")), arrives(harmless)));
    rows.push(passes(
        "Connection",
        get("/closed", &format!("Connection: Authorization\r\nAuthorization: Bearer {token}\r\n")),
        arrives("/closed"),
    ));
    rows.push(kept(401, "underscore", get("/closed", &format!("Authorization_: Bearer {token}\r\n"))));
    rows.push(kept(401, "Proxy-Authorization", get("/closed", &format!("Proxy-Authorization: Bearer {token}\r\n"))));
    rows.push(refused(400, "blank", get("/closed", &format!("Authorization : Bearer {token}\r\n"))));
    rows.push(kept(403, "scope", get("/admin", &format!("Authorization: Bearer {token}\r\n"))));
    house.holds(&rows);
}
