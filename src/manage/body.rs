//! The JSON body of a call, read strictly: one object, no unknown and no repeated member, every type as it must be.
//! What is wrong is named.

use axum::extract::{FromRequest, Request};
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::ToSchema;

use super::error::ManageError;
use crate::web::read_body;

/// The body as a `T`. One that was left out counts as `{}`.
pub(super) struct Body<T>(pub(super) T);

/// The body of a call that takes no members.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ManageError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ManageError> {
        parse(&read_body(request.into_body()).await?).map(Self)
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ManageError> {
    let text = match body.trim_ascii() {
        b"" => b"{}",
        text => text,
    };
    // A list would be taken for the members in their order.
    if text.first() != Some(&b'{') {
        return Err(ManageError::Invalid("The body must be a JSON object.".into()));
    }
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (path, reason) = (error.path().to_string(), error.inner());
        // Some reasons are about the object as a whole; the others are about the member at the path.
        ManageError::Invalid(if path == "." { reason.to_string() } else { format!("`{path}`: {reason}") })
    })?;
    json.end().map_err(|error| ManageError::Invalid(format!("After the JSON object: {error}")))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        name: String,
        list: Vec<u32>,
    }

    fn complaint(body: &str) -> String {
        match parse::<Sample>(body.as_bytes()) {
            Err(ManageError::Invalid(text)) => text,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn a_body_left_out_is_an_empty_object() {
        for body in ["", " \r\n", "{}"] {
            assert_eq!(parse(body.as_bytes()), Ok(Sample::default()), "{body}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, name) in [
            (r#"{"nmae":"x"}"#, "`nmae`"),
            (r#"{"name":1}"#, "`name`"),
            (r#"{"list":[1,"x"]}"#, "`list[1]`"),
            (r#"{"name":"a","name":"b"}"#, "`name`"),
            (r#"{"name":null}"#, "`name`"),
            (r#"["a",[1]]"#, "JSON object"),
            ("null", "JSON object"),
            ("{} {}", "After the JSON object"),
            (r#"{"name":"a""#, "line 1"),
        ] {
            let complaint = complaint(body);
            assert!(complaint.contains(name), "{body}: {complaint}");
        }
    }

    #[test]
    fn a_body_that_is_no_text_is_refused() {
        assert!(parse::<Sample>(b"{\"name\":\"\xff\"}").is_err());
    }
}
