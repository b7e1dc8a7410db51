//! Floor 4, the decision: may this request pass, and as whom?
//!
//! [`Guard::admit`] turns an [`Incoming`] request into a [`Permit`] or a [`Refused`]. A [`Permit`] can be made nowhere
//! else, and nothing is forwarded without one.

mod admit;
mod credentials;
mod denial;
mod permit;

pub use admit::{Guard, Incoming};
pub use credentials::bearer;
pub use denial::{Denial, Refused};
pub use permit::Permit;
