//! x
mod settings;
pub use settings::Settings;
