//! Paths that one server reads so and another otherwise.

use super::{House, Row, get, kept, passes, refused, seen};

/// What a server may climb by, cut off, or decode once more than another.
const AMBIGUOUS: [&str; 85] = [
    "/x/../admin",
    "/x/..",
    "/..",
    "/.",
    "/./admin",
    "/x/./y",
    "/x/%2e%2e/admin",
    "/x/%2E%2e/admin",
    "/x/.%2e/admin",
    "/x/%2e./admin",
    "/%2e/admin",
    "/x/..;/admin",
    "/x/..;a=b/admin",
    "/x/%2e%2e;/admin",
    "/x/..%3b/admin",
    "/x/..%00/admin",
    "/x/..%2fadmin",
    "/x/..%2Fadmin",
    "/x/..%5cadmin",
    "/x/..\\admin",
    "/x\\..\\admin",
    "/x%5C..%5Cadmin",
    "/x%2f..%2fadmin",
    "/x/.../admin",
    "/x/..../admin",
    "/x/.. /admin",
    "/x/..%20/admin",
    "/x/%20../admin",
    "/x/..%09/admin",
    "//admin",
    "/x//admin",
    "/x/y//",
    "/%2fadmin",
    "/x%2fadmin",
    "/x%2Fy",
    "/x;y",
    "/x/;y/z",
    "/x%3by",
    "/x%3fy",
    "/x%23y",
    "/x.",
    "/x./y",
    "/x%20",
    "/x%20/y",
    "/x%00",
    "/%00",
    "/x%0a",
    "/x%0d%0aA:b",
    "/x%7f",
    "/x%1b",
    "/x%c2%85",
    "/x%",
    "/x%4",
    "/x%zz",
    "/x%u0061",
    "/x%%61",
    "/x%2561",
    "/x%252e%252e/admin",
    "/x%25%32e",
    "/x%252fadmin",
    "/x%255cadmin",
    "/x%2500",
    "/x%25u002e",
    "/x%c0%ae%c0%ae/admin",
    "/x%c0%afadmin",
    "/x%e0%80%af",
    "/x%ff",
    "/x%e4",
    "/x%ed%a0%80",
    "/x\"",
    "/x<y>",
    "/x`",
    "/%61dmin/../x",
    "/admin%2f",
    "/admin%00",
    "/admin%20",
    "/admin;x",
    "/admin.",
    "/admin//",
    "/admin/.",
    "/admin/%2e",
    "/admin%5c",
    "/%252561",
    "/x/%2e%2e%2f",
    "/%5c%5ca/x",
];

#[test]
fn a_path_means_one_thing() {
    let house = House::open();
    a_path_that_can_be_read_in_two_ways_is_refused(&house);
    a_path_arrives_in_the_form_that_its_rule_was_found_for(&house);
}

fn a_path_that_can_be_read_in_two_ways_is_refused(house: &House) {
    let rows: Vec<Row> = AMBIGUOUS.map(|target| refused(400, target, get(target, ""))).into();
    house.holds(&rows);
}

fn a_path_arrives_in_the_form_that_its_rule_was_found_for(house: &House) {
    let mut rows: Vec<Row> = [
        ("/x/%61%7E%2D%5f", "/x/a~-_"),
        ("/x%3a%40%24", "/x%3A%40%24"),
        ("/x%c3%a4", "/x%C3%A4"),
        ("/x[]|^{}", "/x%5B%5D%7C%5E%7B%7D"),
        ("/x%25", "/x%25"),
        ("/x%20y", "/x%20y"),
        ("/x.y/.z/..z", "/x.y/.z/..z"),
        ("/X", "/X"),
        ("/x/", "/x/"),
        ("/Admin", "/Admin"),
        ("/adminx", "/adminx"),
        ("/x/admin", "/x/admin"),
    ]
    .map(|(sent, arrives)| passes(sent, get(sent, ""), seen(&format!("GET {arrives}"), "", "")))
    .into();
    for admin in
        ["/admin", "/admin/", "/%61dmin", "/%61%64%6d%69%6e", "/admin/x", "/admin?x", "/%61dmin/%78", "http://a/admin"]
    {
        rows.push(kept(401, admin, get(admin, "")));
    }
    house.holds(&rows);
}
