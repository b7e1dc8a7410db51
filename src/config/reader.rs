//! Reads a document key by key and collects every mistake on the way.
//!
//! A section is one function that reads its [`Table`] from top to bottom with the default beside each key, and ends
//! with [`Table::finish`], which refuses the keys that nobody asked for. Nothing stops at the first mistake: it is
//! put on record, and whoever needed the value goes on without.

use std::{cell::RefCell, ops::Range, path::Path};

use super::{
    Environment, Purpose, WatchedFile,
    document::{Data, Entries, Entry, Node, Place},
    report::{Diagnostic, Severity},
};

/// Stands for a mistake that is on record already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reported;

/// What every part of one reading shares.
pub(super) struct Reading<'a> {
    /// Where secrets come from.
    pub(super) environment: &'a Environment,
    /// The folder that relative paths start from.
    pub(super) folder: &'a Path,
    /// What the settings are for.
    pub(super) purpose: Purpose,
    findings: RefCell<Vec<Finding>>,
    secrets: RefCell<Vec<Range<usize>>>,
    files: RefCell<Vec<WatchedFile>>,
}

struct Finding {
    severity: Severity,
    place: Place,
    key: String,
    message: String,
    help: String,
}

impl<'a> Reading<'a> {
    pub(super) fn new(environment: &'a Environment, folder: &'a Path, purpose: Purpose) -> Self {
        Self {
            environment,
            folder,
            purpose,
            findings: RefCell::default(),
            secrets: RefCell::default(),
            files: RefCell::default(),
        }
    }

    /// Puts a file on the list of those that are read anew when they change.
    pub(super) fn watch(&self, file: WatchedFile) {
        self.files.borrow_mut().push(file);
    }

    /// That list.
    pub(super) fn watched(&self) -> Vec<WatchedFile> {
        self.files.borrow().clone()
    }

    /// The errors and the warnings, in the order of the file, those of variables at the end. Literal values that may
    /// be secrets do not show in the lines that are quoted.
    pub(super) fn diagnostics(self, file: &str, source: &str) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        let source = without(source, &self.secrets.into_inner());
        let mut findings = self.findings.into_inner();
        findings.sort_by_key(|finding| match &finding.place {
            Place::File(span) => (span.start, None),
            Place::Variable(name) => (usize::MAX, Some(name.clone())),
        });
        let diagnostic = |Finding { severity, place, key, message, help }| {
            let (file, span) = match place {
                Place::File(span) => (file.to_owned(), Some(span)),
                Place::Variable(name) => (name, None),
            };
            let whole = Diagnostic::of_whole(file, key, message, help).with_severity(severity);
            match span {
                Some(span) => whole.at(&source, &span),
                None => whole,
            }
        };
        findings.into_iter().map(diagnostic).partition(|found| found.severity == Severity::Error)
    }

    fn record(&self, severity: Severity, place: &Place, key: &str, text: (impl Into<String>, impl Into<String>)) {
        let (message, help) = (text.0.into(), text.1.into());
        let finding = Finding { severity, place: place.clone(), key: key.to_owned(), message, help };
        self.findings.borrow_mut().push(finding);
    }
}

/// `source` with the visible ASCII characters of `spans` as stars, so that every other character keeps its place.
fn without(source: &str, spans: &[Range<usize>]) -> String {
    let hidden = |index: usize| spans.iter().any(|span| span.contains(&index));
    source.char_indices().map(|(index, c)| if c.is_ascii_graphic() && hidden(index) { '*' } else { c }).collect()
}

/// One value of the document.
pub(super) struct Value<'a> {
    node: &'a Node,
    key: String,
    reading: &'a Reading<'a>,
}

impl<'a> Value<'a> {
    pub(super) fn root(node: &'a Node, reading: &'a Reading<'a>) -> Self {
        Self { node, key: String::new(), reading }
    }

    pub(super) fn reading(&self) -> &'a Reading<'a> {
        self.reading
    }

    /// Puts a mistake on record at this value.
    pub(super) fn refuse(&self, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.reading.record(Severity::Error, &self.node.place, &self.key, (message, help));
        Reported
    }

    /// Puts a doubt on record at this value.
    pub(super) fn warn(&self, message: impl Into<String>, help: impl Into<String>) {
        self.reading.record(Severity::Warning, &self.node.place, &self.key, (message, help));
    }

    /// Refuses a value that a later version takes.
    pub(super) fn not_supported(&self, what: &str) -> Reported {
        self.refuse(
            format!("`{what}` is known, but not supported yet by this version of Portcullis"),
            "remove it: a setting that does nothing would be a hole",
        )
    }

    /// Keeps the text of this value out of every quoted line.
    pub(super) fn keep_secret(&self) {
        if let Place::File(span) = &self.node.place {
            self.reading.secrets.borrow_mut().push(span.clone());
        }
    }

    /// Whether an environment variable set it.
    pub(super) fn is_from_variable(&self) -> bool {
        matches!(self.node.place, Place::Variable(_))
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.node.data, Data::Table(_))
    }

    pub(super) fn text(&self) -> Result<&'a str, Reported> {
        match &self.node.data {
            Data::Text(text) | Data::Variable { text, .. } => Ok(text),
            _ => Err(self.wrong_type("a string in quotes")),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, Reported> {
        let found = match &self.node.data {
            Data::Boolean(value) => Some(*value),
            Data::Variable { text, .. } => text.parse().ok(),
            _ => None,
        };
        found.ok_or_else(|| self.wrong_type("`true` or `false`"))
    }

    pub(super) fn integer(&self) -> Result<i64, Reported> {
        let found = match &self.node.data {
            Data::Integer(value) => *value,
            Data::Variable { text, .. } => text.parse().ok(),
            _ => return Err(self.wrong_type("an integer without quotes")),
        };
        found.ok_or_else(|| self.refuse("not an integer of 64 bits", "write a smaller whole number"))
    }

    /// Reads each item of a list; all bad ones are put on record.
    pub(super) fn each<T>(&self, mut read: impl FnMut(Value<'a>) -> Result<T, Reported>) -> Result<Vec<T>, Reported> {
        let (Data::List(items) | Data::Variable { items, .. }) = &self.node.data else {
            return Err(self.wrong_type("a list in brackets"));
        };
        let item = |(index, node)| Value { node, key: format!("{}[{index}]", self.key), reading: self.reading };
        let results: Vec<_> = items.iter().enumerate().map(|entry| read(item(entry))).collect();
        results.into_iter().collect()
    }

    pub(super) fn table(&self) -> Result<Table<'a>, Reported> {
        match &self.node.data {
            Data::Table(entries) => Ok(Table::new(entries, &self.node.place, self.key.clone(), self.reading)),
            _ => Err(self.wrong_type("a table")),
        }
    }

    /// Refuses the value for its type.
    pub(super) fn wrong_type(&self, expected: &str) -> Reported {
        let found = self.node.data.describe();
        self.refuse(format!("expected {expected}, found {found}"), format!("write {expected}"))
    }
}

/// A table that is being read.
pub(super) struct Table<'a> {
    entries: &'a Entries,
    place: &'a Place,
    key: String,
    reading: &'a Reading<'a>,
    known: Vec<&'static str>,
}

static NO_ENTRIES: Entries = Entries::new();

impl<'a> Table<'a> {
    fn new(entries: &'a Entries, place: &'a Place, key: String, reading: &'a Reading<'a>) -> Self {
        Self { entries, place, key, reading, known: Vec::new() }
    }

    /// The value of `key`, if it is set; the key is known from here on.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.known.push(key);
        self.entries.get(key).map(|entry| self.value(key, entry))
    }

    fn value(&self, key: &str, entry: &'a Entry) -> Value<'a> {
        Value { node: &entry.value, key: self.child(key), reading: self.reading }
    }

    fn child(&self, key: &str) -> String {
        let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let key = if bare { key.to_owned() } else { format!("{key:?}") };
        if self.key.is_empty() { key } else { format!("{}.{key}", self.key) }
    }

    /// The value of a key that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Value<'a>) -> Result<T, Reported>,
    ) -> Result<Option<T>, Reported> {
        self.get(key).map(read).transpose()
    }

    /// The value of a key, else its default; also for a bad value, since the record keeps the settings from use.
    pub(super) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(Value<'a>) -> Result<T, Reported>,
    ) -> T {
        self.optional(key, read).ok().flatten().unwrap_or(default)
    }

    /// The value of a key that must be there; `help` says what to write.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        help: &str,
        read: impl FnOnce(Value<'a>) -> Result<T, Reported>,
    ) -> Result<T, Reported> {
        match self.optional(key, read)? {
            Some(value) => Ok(value),
            None => Err(self.refuse(key, format!("`{key}` is missing"), help)),
        }
    }

    /// The table of a section; an empty one if it is left out or is no table.
    pub(super) fn section(&mut self, key: &'static str) -> Table<'a> {
        let empty = Table::new(&NO_ENTRIES, self.place, self.child(key), self.reading);
        self.optional(key, |value| value.table()).ok().flatten().unwrap_or(empty)
    }

    /// Puts a mistake on record at `key`: at its value, or at the table's header if it is not there.
    pub(super) fn refuse(&self, key: &str, message: impl Into<String>, help: impl Into<String>) -> Reported {
        let place = self.entries.get(key).map_or(self.place, |entry| &entry.value.place);
        self.reading.record(Severity::Error, place, &self.child(key), (message, help));
        Reported
    }

    /// Puts a doubt on record at `key`, as [`Self::refuse`] does a mistake.
    pub(super) fn warn(&self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        let place = self.entries.get(key).map_or(self.place, |entry| &entry.value.place);
        self.reading.record(Severity::Warning, place, &self.child(key), (message, help));
    }

    /// Puts a mistake on record at the name of an entry.
    pub(super) fn refuse_name(&self, name: &str, message: impl Into<String>, help: impl Into<String>) -> Reported {
        let place = self.entries.get(name).map_or(self.place, |entry| &entry.key);
        self.reading.record(Severity::Error, place, &self.child(name), (message, help));
        Reported
    }

    /// Puts a mistake on record at the table's header.
    pub(super) fn refuse_whole(&self, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.reading.record(Severity::Error, self.place, &self.key, (message, help));
        Reported
    }

    /// The folder that relative paths start from.
    pub(super) fn folder(&self) -> &'a Path {
        self.reading.folder
    }

    /// Whether `key` is set.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Every entry of a table whose keys are the user's own names; needs no [`Self::finish`].
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + '_ {
        self.entries.iter().map(|(name, entry)| (name.as_str(), self.value(name, entry)))
    }

    /// Refuses every key that nobody asked for.
    pub(super) fn finish(self) {
        for name in self.entries.keys().filter(|name| !self.known.contains(&name.as_str())) {
            self.refuse_name(name, format!("unknown key `{name}`"), suggest(name, &self.known));
        }
    }
}

/// Help for a name that is none of `known`: the nearest one, and all of them where it is not near.
pub(super) fn suggest(name: &str, known: &[&str]) -> String {
    let likeness = |known: &str| strsim::jaro_winkler(&name.to_lowercase(), known);
    let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest {
        Some(nearest) if likeness(nearest) > 0.75 => format!("did you mean `{nearest}`?"),
        Some(nearest) => format!("the nearest known name is `{nearest}`; known here: {}", known.join(", ")),
        None => "remove it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_all_where_none_is_near() {
        assert_eq!(suggest("lissten", &["listen", "timeout"]), "did you mean `listen`?");
        assert_eq!(
            suggest("zzz", &["listen", "timeout"]),
            "the nearest known name is `timeout`; known here: listen, timeout"
        );
    }

    #[test]
    fn hidden_text_keeps_every_column() {
        assert_eq!(without("ä = 'sé cret' # x", std::slice::from_ref(&(5..15))), "ä = **é ***** # x");
    }
}
