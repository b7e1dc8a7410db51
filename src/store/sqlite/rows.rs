//! Reading rows: each column becomes the word of the model that it stands for, or the store is corrupt.

use std::{str::FromStr, time::Duration};

use rusqlite::{Connection, Params, Row, types::FromSql};

use crate::{
    model::Timestamp,
    store::{PageOf, StoreError},
};

/// A row of a known table. Its errors name the column and never show what stands in it.
pub(super) struct Fields<'row> {
    table: &'static str,
    row: &'row Row<'row>,
}

impl<'row> Fields<'row> {
    pub(super) fn of(table: &'static str, row: &'row Row<'row>) -> Self {
        Self { table, row }
    }

    /// A column whose SQL type says it all; `Option` for one that may be absent.
    pub(super) fn get<T: FromSql>(&self, column: &str) -> Result<T, StoreError> {
        self.row.get(column).map_err(|_| self.unreadable(column))
    }

    /// A column that is `convert`ed, which says nothing for what cannot be.
    pub(super) fn map<S: FromSql, T>(
        &self,
        column: &str,
        convert: impl FnOnce(S) -> Option<T>,
    ) -> Result<T, StoreError> {
        self.map_option(column, convert)?.ok_or_else(|| self.unreadable(column))
    }

    /// The same for a column that may be absent.
    pub(super) fn map_option<S: FromSql, T>(
        &self,
        column: &str,
        convert: impl FnOnce(S) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let Some(value) = self.get::<Option<S>>(column)? else { return Ok(None) };
        convert(value).map(Some).ok_or_else(|| self.unreadable(column))
    }

    /// A text in the words of the model.
    pub(super) fn parse<T: FromStr>(&self, column: &str) -> Result<T, StoreError> {
        self.map(column, |text: String| text.parse().ok())
    }

    /// A moment.
    pub(super) fn moment(&self, column: &str) -> Result<Timestamp, StoreError> {
        self.get(column).map(Timestamp::from_seconds)
    }

    /// A moment that may not have come.
    pub(super) fn moment_option(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp::from_seconds))
    }

    fn unreadable(&self, column: &str) -> StoreError {
        StoreError::Corrupt(format!("{}.{column} of a row cannot be read", self.table))
    }
}

/// A length of time as a column has it.
pub(super) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// The reverse of [`seconds`].
pub(super) fn duration(seconds: i64) -> Option<Duration> {
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// All rows of a query.
pub(super) fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    db.prepare_cached(sql)?.query_and_then(params, read)?.collect()
}

/// The only row of a query, if there is one.
pub(super) fn first<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    db.prepare_cached(sql)?.query(params)?.next()?.map(read).transpose()
}

/// The number that a query counts.
pub(super) fn count(db: &Connection, sql: &str, params: impl Params) -> Result<u64, StoreError> {
    let count: i64 = db.prepare_cached(sql)?.query_row(params, |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Carries out a statement, and says how many rows it touched.
pub(super) fn execute(db: &Connection, sql: &str, params: impl Params) -> Result<usize, StoreError> {
    Ok(db.prepare_cached(sql)?.execute(params)?)
}

/// The page of `rows`, of which the query took one more than `limit`, to see whether there are more.
pub(super) fn page<T>(mut rows: Vec<(i64, T)>, limit: u32, total: u64) -> PageOf<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(seq, _)| *seq);
    PageOf { items: rows.into_iter().map(|(_, item)| item).collect(), next, total }
}
