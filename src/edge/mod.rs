//! x
mod settings;
pub use settings::{
    HostHeader, IdentityNames, ListStyle, LiveSettings, ReservedNames, Server, ServerSettings, UpstreamSettings,
};
