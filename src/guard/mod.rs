//! Floor 4, the decision: may this request pass, and as whom?
//!
//! [`Guard::admit`] turns an [`Incoming`] request into a [`Permit`] or a [`Refused`]. A [`Permit`] can be made nowhere
//! else, and nothing is forwarded without one. For an upstream that only observes, most of what would be refused gets a
//! permit that says so.

mod admit;
mod credentials;
mod denial;
mod limits;
mod observe;
mod permit;
#[cfg(test)]
mod tests;

pub use admit::{Guard, Incoming};
pub use credentials::bearer;
pub use denial::{Denial, Refused};
pub use limits::CallerLimits;
pub use permit::Permit;
