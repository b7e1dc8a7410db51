//! The file as a tree in which every key and value knows where it was written, with the environment laid over it.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue},
};

use super::environment::Override;

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// These bytes of the file.
    File(Range<usize>),
    /// The environment variable of this name.
    Variable(String),
}

/// A value and its place. A table's place is its header.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) data: Data,
}

/// A table's entries by their keys.
pub(super) type Entries = BTreeMap<String, Entry>;

/// One entry of a table.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where its key stands.
    pub(super) key: Place,
    /// Its value.
    pub(super) value: Node,
}

/// A value, as written.
#[derive(Debug)]
pub(super) enum Data {
    /// A string.
    Text(String),
    /// An integer; none if it is too large.
    Integer(Option<i64>),
    /// `true` or `false`.
    Boolean(bool),
    /// An array.
    List(Vec<Node>),
    /// A table, in any of its spellings.
    Table(Entries),
    /// A float or a date, which no key takes.
    Other(&'static str),
    /// An environment variable: a text that may turn out to be any of the above, or, between its commas, a list.
    Variable { text: String, items: Vec<Node> },
}

impl Data {
    /// What it is, for people.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Boolean(_) => "a boolean",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
            Self::Variable { .. } => "one text",
        }
    }
}

impl Node {
    /// The tree of a parsed file.
    pub(super) fn from_toml(table: Spanned<DeTable<'_>>) -> Self {
        let span = table.span();
        Self { place: Place::File(span), data: entries(table.into_inner()) }
    }

    fn from_value(value: Spanned<DeValue<'_>>) -> Self {
        let place = Place::File(value.span());
        let data = match value.into_inner() {
            DeValue::String(text) => Data::Text(text.into_owned()),
            DeValue::Integer(number) => Data::Integer(integer(&number)),
            DeValue::Boolean(value) => Data::Boolean(value),
            DeValue::Array(items) => Data::List(items.into_iter().map(Self::from_value).collect()),
            DeValue::Table(table) => entries(table),
            DeValue::Float(_) => Data::Other("a float"),
            DeValue::Datetime(_) => Data::Other("a date or time"),
        };
        Self { place, data }
    }

    fn from_variable(name: &str, text: &str) -> Self {
        let node = |text: &str, items| Self {
            place: Place::Variable(name.to_owned()),
            data: Data::Variable { text: text.trim().to_owned(), items },
        };
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        node(text, items.map(|item| node(item, Vec::new())).collect())
    }

    /// Lays `change` over the tree. Levels that are not there are made, so that whoever reads them finds them unknown.
    pub(super) fn lay_over(&mut self, change: &Override<'_>) {
        let place = || Place::Variable(change.name.to_owned());
        let mut node = self;
        for level in &change.path {
            if !matches!(node.data, Data::Table(_)) {
                *node = Self { place: place(), data: Data::Table(Entries::new()) };
            }
            let Data::Table(entries) = &mut node.data else { return };
            let key = entries.keys().find(|key| same_key(key, level)).unwrap_or(level).clone();
            let empty = || Self { place: place(), data: Data::Table(Entries::new()) };
            node = &mut entries.entry(key).or_insert_with(|| Entry { key: place(), value: empty() }).value;
        }
        *node = Self::from_variable(change.name, change.value);
    }
}

/// Whether the level of a variable's name means `key`: a variable has neither case nor `-`.
fn same_key(key: &str, level: &str) -> bool {
    let fold = |byte: u8| if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
    key.bytes().map(fold).eq(level.bytes().map(fold))
}

fn entries(table: DeTable<'_>) -> Data {
    let entry = |(key, value): (Spanned<std::borrow::Cow<'_, str>>, _)| {
        let place = Place::File(key.span());
        (key.into_inner().into_owned(), Entry { key: place, value: Node::from_value(value) })
    };
    Data::Table(table.into_iter().map(entry).collect())
}

fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Node {
        Node::from_toml(DeTable::parse(text).unwrap())
    }

    fn at<'a>(node: &'a Node, path: &[&str]) -> &'a Node {
        path.iter().fold(node, |node, key| match &node.data {
            Data::Table(entries) => &entries[*key].value,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_tables_place_is_its_header() {
        let text = "[a]\nx = 1_000\n[[b.c]]\n[[b.c]]\ny = 0x10";
        let tree = tree(text);
        assert_eq!(at(&tree, &["a"]).place, Place::File(0..3));
        assert!(matches!(at(&tree, &["a", "x"]).data, Data::Integer(Some(1000))));
        let Data::List(items) = &at(&tree, &["b", "c"]).data else { panic!() };
        assert_eq!(items[1].place, Place::File(22..29));
        assert!(matches!(at(&items[1], &["y"]).data, Data::Integer(Some(16))));
    }

    #[test]
    fn a_variable_finds_its_key_whatever_the_case_and_the_dash() {
        let mut tree = tree("[upstreams.Old-Api]\ntimeout = '1s'");
        let path = ["upstreams", "old_api", "timeout"].map(str::to_owned).to_vec();
        tree.lay_over(&Override { name: "V", path, value: "2s, 3s" });
        let node = at(&tree, &["upstreams", "Old-Api", "timeout"]);
        assert_eq!(node.place, Place::Variable("V".to_owned()));
        assert!(matches!(&node.data, Data::Variable { text, items } if text == "2s, 3s" && items.len() == 2));
    }

    #[test]
    fn a_variable_replaces_what_is_not_a_table() {
        let mut tree = tree("a = [1]");
        tree.lay_over(&Override { name: "V", path: vec!["a".to_owned(), "0".to_owned()], value: "x" });
        assert!(matches!(at(&tree, &["a"]).data, Data::Table(_)));
    }
}
