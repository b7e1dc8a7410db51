//! How the forms of these endpoints look in the API's description: [`super::form`] reads them by their parameters'
//! names.

use utoipa::openapi::{
    ObjectBuilder, RefOr, Schema,
    schema::{AdditionalProperties, ArrayBuilder, SchemaType, Type},
};

use crate::model::scope_parameter_pattern;

/// A form of these parameters, each with its schema and its meaning, the first of which must be there. A client's
/// credentials may be in any form. Others are ignored, but may stand once only.
pub(super) fn form<const N: usize>(parameters: [(&str, Schema, &str); N]) -> RefOr<Schema> {
    let credentials = [
        ("client_id", any(), "With client_secret, in place of HTTP Basic."),
        ("client_secret", any(), "With client_id, in place of HTTP Basic."),
    ];
    let required = parameters.first().map(|(name, _, _)| *name).unwrap_or_default();
    let mut form =
        ObjectBuilder::new().required(required).additional_properties(Some(AdditionalProperties::from(one_value())));
    for (name, mut schema, meaning) in parameters.into_iter().chain(credentials) {
        match &mut schema {
            Schema::Object(object) => object.description = Some(meaning.to_owned()),
            Schema::Array(array) => array.description = Some(meaning.to_owned()),
            _ => {}
        }
        form = form.property(name, schema);
    }
    form.build().into()
}

fn text(pattern: impl Into<String>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern))
}

/// Any text, once.
fn any() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).into()
}

/// Anything that a form writes as one text.
fn one_value() -> Schema {
    let kinds = [Type::String, Type::Number, Type::Boolean, Type::Null];
    ObjectBuilder::new().schema_type(SchemaType::from_iter(kinds)).into()
}

/// `grant_type`.
pub(super) fn grant() -> (&'static str, Schema, &'static str) {
    ("grant_type", text("^client_credentials$").into(), "The one grant of machine clients.")
}

/// `token`.
pub(super) fn token() -> (&'static str, Schema, &'static str) {
    ("token", ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).into(), "The token's text.")
}

/// `token_type_hint`.
pub(super) fn hint() -> (&'static str, Schema, &'static str) {
    ("token_type_hint", any(), "What kind of token it may be; there is one kind.")
}

/// `scope`.
pub(super) fn scope(meaning: &'static str) -> (&'static str, Schema, &'static str) {
    ("scope", text(scope_parameter_pattern()).into(), meaning)
}

/// `resource` or `audience`: audiences, of which an empty one counts as left out.
pub(super) fn audiences(name: &'static str, meaning: &'static str) -> (&'static str, Schema, &'static str) {
    (name, ArrayBuilder::new().items(text(r"^[\x21-\x7e]{0,256}$")).into(), meaning)
}

/// Names the form of an endpoint.
macro_rules! form_of {
    ($(#[$doc:meta])* $name:ident: $($parameter:expr),+ $(,)?) => {
        $(#[$doc])*
        enum $name {}

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                crate::oauth::description::form([$($parameter),+])
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}
pub(super) use form_of;
