//! What the registry is told. Fixed until a restart.

use std::time::Duration;

/// Lifetimes of tokens and secrets, and how many tokens.
#[derive(Debug, Clone, Copy)]
pub struct RegistrySettings {
    /// How long the tokens of a client live that sets nothing itself.
    pub token_duration: Duration,
    /// The longest that a client may set; more is refused.
    pub max_token_duration: Duration,
    /// How long old secrets live on after a rotation that asks for an overlap without saying how long.
    pub secret_overlap: Duration,
    /// The most living tokens that a client may have; beyond it none is issued.
    pub max_live_per_client: u32,
    /// Bytes of memory for the tokens that are in use.
    pub token_cache: u64,
}
