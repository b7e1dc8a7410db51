//! `limits`: how often a caller may come to an upstream or a rule; and `[limits]`, which holds where those say nothing.

use std::num::NonZeroU32;

use super::{
    reader::{Reported, Table, Value},
    values::{count, one_of, parsed},
};
use crate::{
    model::{Rate, RateLimit},
    policy::{CallerLimit, Per},
};

const RATE_HELP: &str = "write how many and in which time, such as \"100/s\", \"600/m\" or \"1000/h\"";
const PER: [(&str, Per); 3] = [("client", Per::Client), ("owner", Per::Owner), ("address", Per::Address)];

/// `[limits]`: of all requests together, and of token requests.
pub(super) fn limits(mut table: Table<'_>) -> (Option<CallerLimit>, Option<RateLimit>) {
    let of_caller = of_caller(&mut table).ok().flatten();
    let token_requests = table.optional("token_requests", |value| {
        let mut table = value.table()?;
        let limit = rate_limit(&mut table).and_then(|limit| limit.ok_or_else(|| missing(&table)));
        table.finish();
        limit
    });
    table.finish();
    (of_caller, token_requests.ok().flatten())
}

/// `limits = { rate, burst, per }` of an upstream or a rule.
pub(super) fn caller_limit(value: &Value<'_>) -> Result<CallerLimit, Reported> {
    let mut table = value.table()?;
    let limit = of_caller(&mut table).and_then(|limit| limit.ok_or_else(|| missing(&table)));
    table.finish();
    limit
}

/// Who is counted, and how often it may come; nothing if neither is said.
fn of_caller(table: &mut Table<'_>) -> Result<Option<CallerLimit>, Reported> {
    let limit = rate_limit(table);
    let per = table.optional("per", |value| one_of(&value, &PER));
    match (limit?, per?) {
        (Some(limit), per) => Ok(Some(CallerLimit { limit, per: per.unwrap_or_default() })),
        (None, Some(_)) => Err(missing(table)),
        (None, None) => Ok(None),
    }
}

/// A rate and its burst, which is the number of the rate if it is not said.
fn rate_limit(table: &mut Table<'_>) -> Result<Option<RateLimit>, Reported> {
    let rate = table.optional("rate", |value| parsed::<Rate>(&value, RATE_HELP));
    let burst = table.optional("burst", |value| {
        let burst = count::<u32>(&value, 1..=i64::from(Rate::MOST))?;
        NonZeroU32::new(burst).ok_or(Reported)
    });
    match (rate?, burst?) {
        (Some(rate), burst) => Ok(Some(RateLimit { rate, burst: burst.unwrap_or(rate.count()) })),
        (None, Some(_)) => Err(missing(table)),
        (None, None) => Ok(None),
    }
}

fn missing(table: &Table<'_>) -> Reported {
    table.refuse("rate", "`rate` is missing: without it nothing is limited", RATE_HELP)
}
