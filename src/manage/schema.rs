//! How the values of bodies and queries look in the API's description: each schema says what the value's own parser
//! takes, to the letter.

use std::{borrow::Cow, time::Duration};

use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{ArrayBuilder, Type},
    },
};

use super::{
    paging::{After, Limit, OrganizationCursor, RowCursor},
    values::{
        Audiences, Confidential, Grants, LONGEST_URI, MOST, MOST_URIS, Overlap, RedirectUris, Scopes, Seconds, Since,
        UpToAYear,
    },
};
use crate::{
    model::{AudienceSet, OrganizationId, ScopeSet, described},
    store::OBSERVED_KEPT,
};

/// A web address with a host, or another scheme and something after it; no fragment, only the characters of RFC 3986.
const URI: &str = concat!(
    r"^([Hh][Tt][Tt][Pp][Ss]?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?",
    r"([/?][!$-;=?-\[\]_a-z~]*)?|(?![Hh][Tt][Tt][Pp][Ss]?:)[A-Za-z][A-Za-z0-9+.-]*:[!$-;=?-\[\]_a-z~]+)$",
);

fn text(pattern: impl Into<String>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern))
}

fn integer(least: i64, most: i64) -> ObjectBuilder {
    let builder = ObjectBuilder::new().schema_type(Type::Integer);
    builder.minimum(Some(bound(least))).maximum(Some(bound(most)))
}

/// A bound as this library has them.
pub(super) fn bound(number: i64) -> utoipa::Number {
    isize::try_from(number).map_or(utoipa::Number::Float(f64::MAX), utoipa::Number::Int)
}

/// The pattern of the whole numbers from 0 to `most`, with or without zeros before.
fn up_to(most: u64) -> String {
    let digits = most.to_string();
    let mut alternatives = vec![digits.clone()];
    for (index, digit) in digits.bytes().enumerate().filter(|(_, digit)| *digit > b'0') {
        let (same, rest) = (digits.get(..index).unwrap_or_default(), digits.len() - index - 1);
        alternatives.push(format!("{same}[0-{}][0-9]{{{rest}}}", char::from(digit - 1)));
    }
    if digits.len() > 1 {
        alternatives.push(format!("[0-9]{{1,{}}}", digits.len() - 1));
    }
    format!("0*({})", alternatives.join("|"))
}

fn duration_pattern(most: Duration) -> String {
    let seconds = most.as_secs();
    let units = [("s", 1), ("m", 60), ("h", 60 * 60), ("d", 24 * 60 * 60)];
    let units = units.map(|(unit, factor)| format!("{}{unit}", up_to(seconds / factor)));
    format!("^({})$", units.join("|"))
}

described! {
    Grants, "GrantTypes", ArrayBuilder::new()
        .items(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["client_credentials"])))
        .min_items(Some(1))
        .max_items(Some(1))
        .description(Some("The one grant of machine clients."));
    Confidential, "Confidential", ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .enum_values(Some([json!(false)]))
        .description(Some("Machine clients are confidential, never public."));
    Seconds, "TokenDuration", integer(1, i64::MAX)
        .description(Some("In seconds, up to the configured maximum."));
    UpToAYear, "UpToAYear", integer(1, i64::try_from(MOST.as_secs()).unwrap_or(i64::MAX))
        .description(Some("In seconds."));
    Overlap, "Overlap", text(duration_pattern(MOST))
        .description(Some("A whole number and its unit, such as `30s`, `24h` or `7d`; up to 366 days."));
    Since, "Since", text(duration_pattern(OBSERVED_KEPT))
        .default(Some(json!("7d")))
        .description(Some("A whole number and its unit, such as `30m`, `12h` or `7d`; up to 90 days."));
    RedirectUris, "RedirectUris", ArrayBuilder::new()
        .items(text(URI).max_length(Some(LONGEST_URI)))
        .max_items(Some(MOST_URIS))
        .description(Some("Absolute URIs without a fragment."));
    Limit, "Limit", integer(1, i64::from(Limit::MOST)).default(Some(json!(Limit::default().get())));
    After, "After", integer(0, i64::MAX).default(Some(json!(0)));
    RowCursor, "RowCursor", text("^[0-9]{0,18}$");
    OrganizationCursor, "OrganizationCursor", text(format!("^({})?$", OrganizationId::pattern()));
}

/// A list in a body looks like the set that it is read into.
macro_rules! described_as {
    ($($type:ty, $set:ty;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                <$set as PartialSchema>::schema()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                <$set as ToSchema>::name()
            }

            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                <$set as ToSchema>::schemas(schemas);
            }
        }
    )*};
}

described_as! {
    Scopes, ScopeSet;
    Audiences, AudienceSet;
}
