//! x
mod settings;
pub use settings::RegistrySettings;
