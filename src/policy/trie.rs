//! A tree of patterns, one level a segment: finds the most specific one that covers a path, at a cost that does not
//! depend on how many there are.

use foldhash::{HashMap, HashMapExt};

use super::{
    PathPattern,
    path::{next_segment, segment_key},
    pattern::Segment,
};

/// Patterns, each with a value.
#[derive(Debug, Clone)]
pub(super) struct Trie<T> {
    ignores_case: bool,
    root: Node<T>,
}

#[derive(Debug, Clone)]
struct Node<T> {
    literals: HashMap<Box<str>, Node<T>>,
    parameter: Option<Box<Node<T>>>,
    /// Of the pattern that ends here.
    exact: Option<T>,
    /// Of the pattern that ends here in `/**`.
    open: Option<T>,
}

impl<T> Trie<T> {
    pub(super) fn new(ignores_case: bool) -> Self {
        Self { ignores_case, root: Node::default() }
    }

    /// The value of a pattern. Patterns that cover the same paths share it.
    pub(super) fn entry(&mut self, pattern: &PathPattern) -> &mut Option<T> {
        let mut node = &mut self.root;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Literal(literal) => {
                    node.literals.entry(segment_key(literal, self.ignores_case).into()).or_default()
                }
                Segment::Parameter => node.parameter.get_or_insert_default(),
            };
        }
        if pattern.is_open() { &mut node.open } else { &mut node.exact }
    }

    /// The value of the most specific pattern that covers `path`: from the left, a literal goes before a parameter, a
    /// parameter before `/**`. A slash at the end of `path` means nothing.
    pub(super) fn find(&self, path: &str) -> Option<&T> {
        self.root.find(path.strip_suffix('/').unwrap_or(path), self.ignores_case)
    }
}

impl<T> Node<T> {
    /// As deep as the longest pattern, whatever the path.
    fn find(&self, path: &str, ignores_case: bool) -> Option<&T> {
        let Some((segment, rest)) = next_segment(path) else {
            return self.exact.as_ref().or(self.open.as_ref());
        };
        self.literal(segment, ignores_case)
            .and_then(|node| node.find(rest, ignores_case))
            .or_else(|| {
                let node = self.parameter.as_ref().filter(|_| !segment.is_empty())?;
                node.find(rest, ignores_case)
            })
            .or(self.open.as_ref())
    }

    fn literal(&self, segment: &str, ignores_case: bool) -> Option<&Self> {
        if self.literals.is_empty() {
            return None;
        }
        self.literals.get(segment_key(segment, ignores_case).as_ref())
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { literals: HashMap::new(), parameter: None, exact: None, open: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trie(patterns: &[&'static str], ignores_case: bool) -> Trie<&'static str> {
        let mut trie = Trie::new(ignores_case);
        for pattern in patterns {
            *trie.entry(&pattern.parse().unwrap()) = Some(*pattern);
        }
        trie
    }

    #[test]
    fn the_most_specific_pattern_that_covers_the_path_is_found() {
        let trie = trie(&["/a/b/c", "/a/{x}/d", "/a/**", "/{x}/b/e", "/a", "/{x}"], false);
        for (path, pattern) in [
            ("/a", Some("/a")),
            ("/z", Some("/{x}")),
            ("/a/b/c", Some("/a/b/c")),
            ("/a/b/d", Some("/a/{x}/d")),
            ("/a/b/e", Some("/a/**")),
            ("/a/b", Some("/a/**")),
            ("/z/b/e", Some("/{x}/b/e")),
            ("/z/b", None),
            ("/", None),
        ] {
            assert_eq!(trie.find(path).copied(), pattern, "{path}");
        }
    }

    #[test]
    fn an_open_pattern_covers_its_prefix_and_all_below_but_no_longer_name() {
        let trie = trie(&["/a/**"], false);
        assert!(["/a", "/a/", "/a/b", "/a/b/c/"].iter().all(|path| trie.find(path).is_some()));
        assert!(["/", "/ab", "/b/a"].iter().all(|path| trie.find(path).is_none()));
    }

    #[test]
    fn a_slash_at_the_end_means_nothing() {
        let trie = trie(&["/", "/a", "/a/{x}"], false);
        for path in ["/a", "/a/b"] {
            assert_eq!(trie.find(path), trie.find(&format!("{path}/")));
        }
        assert_eq!(trie.find("/"), Some(&"/"));
    }

    #[test]
    fn a_parameter_takes_no_empty_segment() {
        let trie = trie(&["/a/{x}/b"], false);
        assert!(trie.find("/a//b").is_none() && trie.find("/a/c/b").is_some());
    }

    #[test]
    fn an_escape_is_what_it_stands_for() {
        let trie = trie(&["/a:b", "/%2A", "/%C3%A4"], false);
        assert!(["/a%3Ab", "/a:b", "/*", "/%2A", "/ä", "/%C3%A4"].iter().all(|path| trie.find(path).is_some()));
    }

    #[test]
    fn case_is_ignored_only_where_asked_for() {
        assert!(trie(&["/Orders/A"], true).find("/oRDERS/a").is_some());
        assert!(trie(&["/Orders/A"], false).find("/orders/A").is_none());
    }
}
