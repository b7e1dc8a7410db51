//! Housekeeping: when things were last used, and the removal of what is of no use any more.

use rusqlite::{Connection, params};

use super::rows::execute;
use crate::{
    model::Timestamp,
    store::{OBSERVED_KEPT, StoreError, Use, observed::day},
};

/// A moment earlier than the one known changes nothing.
macro_rules! later_use {
    ($table:literal) => {
        concat!("UPDATE ", $table, " SET last_used = ?2 WHERE id = ?1 AND (last_used IS NULL OR last_used < ?2)")
    };
}

pub(super) fn record_uses(db: &Connection, uses: &[Use]) -> Result<(), StoreError> {
    for used in uses {
        let (sql, id, at) = match used {
            Use::Client(id, at) => (later_use!("clients"), id.as_bytes().as_slice(), at),
            Use::Secret(id, at) => (later_use!("client_secrets"), id.as_bytes().as_slice(), at),
            Use::Token(id, at) => (later_use!("tokens"), id.as_bytes().as_slice(), at),
        };
        execute(db, sql, params![id, at.as_seconds()])?;
    }
    Ok(())
}

/// Removes the expired first, then the dead, as long as there is room under `limit`.
pub(super) fn sweep(db: &Connection, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
    let kept_since = day(now - OBSERVED_KEPT);
    let now = now.as_seconds();
    let mut room = limit;
    for sql in [
        "DELETE FROM tokens WHERE seq IN (SELECT seq FROM tokens WHERE expires_at <= ?1 LIMIT ?2)",
        "DELETE FROM client_secrets WHERE seq IN (SELECT seq FROM client_secrets WHERE expires_at <= ?1 LIMIT ?2)",
    ] {
        room -= removed(execute(db, sql, params![now, room])?, room);
    }
    let old = "DELETE FROM observed WHERE id IN (SELECT id FROM observed WHERE day < ?1 LIMIT ?2)";
    room -= removed(execute(db, old, params![kept_since, room])?, room);
    // The list of what ended leads: looking at each token for whether it is dead would take long when there are many.
    let dead = "DELETE FROM tokens WHERE seq IN (
                    SELECT tokens.seq FROM ended_epochs CROSS JOIN tokens
                    ON tokens.client = ended_epochs.client AND tokens.epoch < ended_epochs.below LIMIT ?1)";
    room -= removed(execute(db, dead, [room])?, room);
    if room > 0 {
        execute(db, "DELETE FROM ended_epochs", [])?;
    }
    Ok(limit - room)
}

fn removed(rows: usize, room: u32) -> u32 {
    u32::try_from(rows).unwrap_or(room).min(room)
}
