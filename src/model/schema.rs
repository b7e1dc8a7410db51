//! How the values of this floor look in the API's description (JSON Schema): each pattern says what the value's own
//! parser takes, to the letter.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat,
        schema::{ArrayBuilder, Type},
    },
};

use super::{
    Audience, AudienceSet, ClientId, Name, OrganizationId, Scope, ScopeSet, SecretId, Shown, Timestamp, TokenId,
};

/// A text of this pattern.
fn text(pattern: impl Into<String>, description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).description(Some(description))
}

/// Base32 of 64 bits: the last of the 13 characters has one bit that says nothing and is 0.
fn short_id(prefix: &str) -> String {
    format!("{prefix}[a-z2-7]{{12}}[acegikmoqsuwy246]")
}

impl OrganizationId {
    /// The pattern of an organisation's id, to be part of a larger one.
    #[must_use]
    pub fn pattern() -> String {
        short_id(Self::PREFIX)
    }
}

/// Trimmed by Unicode's `White_Space`, then 1 to 200 characters, none of them a control character.
fn name_pattern() -> String {
    const BLANK: &str = r"[\x09-\x0d\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]";
    const VISIBLE: &str = r"[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]";
    const ANY: &str = r"[^\x00-\x1f\x7f-\x9f]";
    format!("^{BLANK}*{VISIBLE}({ANY}{{0,198}}{VISIBLE})?{BLANK}*$")
}

/// What a scope is made of.
const SCOPE: &str = r"[\x21\x23-\x5b\x5d-\x7e]{1,128}";

/// The pattern of scopes with one blank between two, or none at all: the parameter `scope`.
#[must_use]
pub fn scope_parameter_pattern() -> String {
    format!("^({SCOPE}( {SCOPE})*)?$")
}

/// Describes types, each by its name and its schema.
macro_rules! described {
    ($($type:ty, $name:literal, $schema:expr;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                $schema.build().into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                $name.into()
            }
        }
    )*};
}
pub(crate) use described;

described! {
    OrganizationId, "OrganizationId", text(format!("^{}$", short_id(Self::PREFIX)), "The id of an organisation.");
    ClientId, "ClientId", text(format!("^{}$", short_id(Self::PREFIX)), "The id of a client.");
    SecretId, "SecretId", text(format!("^{}$", short_id(Self::PREFIX)), "The id of one of a client's secrets.");
    TokenId, "TokenId", text(format!("^{}[a-z2-7]{{32}}$", Self::PREFIX), "The id of a token, its `jti`.");
    Name, "Name", text(
        name_pattern(),
        "Blanks at both ends are taken off; then 1 to 200 characters, none of them a control character.",
    );
    Scope, "Scope", text(format!("^{SCOPE}$"), "One scope, by the grammar of RFC 6749 section 3.3.");
    Audience, "Audience", text(r"^[\x21-\x7e]{1,256}$", "A service that tokens are for; compared to the letter.");
    Shown<'_>, "Secret", text("^prt_(at|cs|ak)_[A-Za-z0-9_-]{32}$", "A secret's text. It is shown this once.");
    Timestamp, "Timestamp", ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some("A moment, in RFC 3339 and UTC."));
}

/// A list of these, each described on its own.
macro_rules! described_list {
    ($($type:ty, $name:literal, $item:ty, $array:expr;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                let item = Ref::from_schema_name(<$item as ToSchema>::name());
                let array: fn(ArrayBuilder) -> ArrayBuilder = $array;
                array(ArrayBuilder::new().items(item)).build().into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                $name.into()
            }

            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                schemas.push((<$item as ToSchema>::name().into_owned(), <$item as PartialSchema>::schema()));
            }
        }
    )*};
}

described_list! {
    ScopeSet, "Scopes", Scope, |scopes| {
        scopes.description(Some("Scopes; doubles count once. With one blank between two at most 4096 characters."))
    };
    AudienceSet, "Audiences", Audience, |audiences| {
        audiences.max_items(Some(Self::MAX)).description(Some("Audiences; doubles count once."))
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::*, string::string_regex};

    fn pattern<T: PartialSchema>() -> String {
        let RefOr::T(Schema::Object(object)) = T::schema() else { panic!("no object") };
        // The generator knows `\u{…}` alone, and takes no anchors.
        let pattern = object.pattern.unwrap();
        let mut braced = String::new();
        let mut rest = pattern.trim_start_matches('^').trim_end_matches('$');
        while let Some((before, after)) = rest.split_once(r"\u") {
            let (digits, after) = after.split_at(4);
            braced = format!("{braced}{before}\\u{{{digits}}}");
            rest = after;
        }
        braced + rest
    }

    fn whatever_fits_is_taken<T: PartialSchema + std::str::FromStr>() {
        let texts = string_regex(&pattern::<T>()).unwrap();
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let taken = runner.run(&texts, |text| {
            prop_assert!(text.parse::<T>().is_ok(), "{:?}", text);
            Ok(())
        });
        taken.unwrap();
    }

    #[test]
    fn what_fits_a_pattern_is_taken_by_the_parser() {
        whatever_fits_is_taken::<OrganizationId>();
        whatever_fits_is_taken::<ClientId>();
        whatever_fits_is_taken::<SecretId>();
        whatever_fits_is_taken::<TokenId>();
        whatever_fits_is_taken::<Name>();
        whatever_fits_is_taken::<Scope>();
        whatever_fits_is_taken::<Audience>();
    }
}
