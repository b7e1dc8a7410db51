//! Floor 0, the words: identifiers, scopes, secrets, records and time.
//!
//! Everything here is a type that cannot hold a bad value: text from outside is parsed into it once, at the edge of
//! the program, and never looked at again as text. Nothing here does input or output, and nothing knows of HTTP.

mod audience;
mod client;
mod duration;
mod exceeded;
mod id;
mod name;
mod organization;
mod rate;
mod schema;
mod scope;
mod secret;
mod time;
mod token;

pub use audience::{Audience, AudienceClaim, AudienceError, AudienceSet};
pub use client::{Client, StoredSecret};
pub use duration::{DurationError, parse_duration};
pub use exceeded::{Exceeded, Room};
pub use id::{ClientId, IdError, OrganizationId, RandomError, RequestId, SecretId, TokenId, random_bytes};
pub use name::{Name, NameError};
pub use organization::Organization;
pub use rate::{Period, Rate, RateError, RateLimit};
pub(crate) use schema::described;
pub use schema::scope_parameter_pattern;
pub use scope::{Scope, ScopeError, ScopeSet};
pub use secret::{CheckKey, HashedSecret, SecretDigest, SecretKind, SecretText, Shown, holds_secret, mask_secrets};
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
pub use token::Token;
