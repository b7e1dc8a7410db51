//! The refusals of these endpoints in the API's description, by what an endpoint does; [`super::error`] makes them.

use utoipa::IntoResponses;

use crate::web::{DescribedResponses, describe_refusals};

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident: $([$status:literal, $description:literal]),+;)*) => {$(
        $(#[$doc])*
        pub(super) enum $name {}

        impl IntoResponses for $name {
            fn responses() -> DescribedResponses {
                describe_refusals([$(($status, $description)),+])
            }
        }
    )*};
}

refusals! {
    /// Of every endpoint.
    Always:
        [400, "Something in the headers, the query or the body is malformed or not allowed; the description names it."],
        [401, "The organisation's id and key are missing or wrong."],
        [429, "Too many wrong credentials came from here."],
        [500, "Something is broken; the operator finds the cause in the log by the request's id."],
        [503, "It cannot be answered at the moment; try again."];
    /// Of those that are about one thing.
    Absent:
        [404, "There is none of this id in the organisation or below it; what belongs to others is as if it were not."];
    /// Of those that something may stand in the way of.
    Conflicts:
        [409, "What is there stands in the way; the description says what."];
    /// Of those with a body.
    TooLarge:
        [408, "The body did not come within 30 seconds."],
        [413, "The body is longer than 64 KiB."];
}
