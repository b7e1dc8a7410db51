//! Paths as the configuration writes them: the pattern of a rule, the prefix of an upstream.
//!
//! Literals go through the same canonical form as the paths of requests, so `%41` in a rule is `A`.

use std::{fmt, str::FromStr};

use super::{
    NormalPath, PathError, PathFeatures,
    path::{next_segment, segment_key},
};

/// A rule's path: literals, `{name}` for exactly one segment, `/**` at the end for the prefix itself and all below it.
/// A slash at the end means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    segments: Vec<Segment>,
    open: bool,
}

/// One segment of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// This one, in canonical form.
    Literal(String),
    /// Any one.
    Parameter,
}

/// An upstream's part of the path space: `/` or `/a/b`. It covers itself and all below, and ends on a segment border.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPrefix(String);

/// Why a text is no [`PathPattern`] or [`PathPrefix`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It starts with something else than `/`.
    #[error("a path starts with `/`")]
    NotAbsolute,
    /// `//`.
    #[error("a path has no empty segment: write one `/` instead of `//`")]
    EmptySegment,
    /// `?`.
    #[error("a path ends before the `?`: rules do not look at the query; a question mark in a path cannot be matched")]
    Query,
    /// `#`.
    #[error("a path ends before the `#`: clients do not send what follows it")]
    Fragment,
    /// `*` elsewhere than in a `/**` at the end.
    #[error("`*` stands only in a `/**` at the end: write `{{name}}` for one segment, `%2A` for the character itself")]
    Wildcard,
    /// A brace beside other text.
    #[error("`{{name}}` stands for a whole segment: put a `/` on both sides, write `%7B` and `%7D` for the characters")]
    PartOfSegment,
    /// A name that is no name.
    #[error("`{{{0}}}` needs a name of letters, digits and `_` that does not start with a digit, such as `{{id}}`")]
    ParameterName(String),
    /// A name that stands twice.
    #[error("`{{{0}}}` stands twice: give each segment its own name")]
    ParameterTwice(String),
    /// A pattern where a prefix is asked for.
    #[error(
        "an upstream's path is plain text and covers all below it: leave out `{{name}}` and `/**`, use them in rules"
    )]
    NotPlain,
    /// A literal that is refused in requests.
    #[error("no request can match it: {0}")]
    Refused(#[from] PathError),
    /// A literal that can be read in two ways, so that no request for it gets through.
    #[error("no request can match it, as it can be read in two ways ({0}): write `{{name}}` or `/**` in its place")]
    Ambiguous(PathFeatures),
}

impl PathPattern {
    /// Whether every path it covers lies under `prefix`.
    #[must_use]
    pub fn is_within(&self, prefix: &PathPrefix) -> bool {
        self.is_within_as(prefix, false)
    }

    pub(super) fn is_within_as(&self, prefix: &PathPrefix, ignores_case: bool) -> bool {
        self.lies_under(prefix.segments(), |a, b| segment_key(a, ignores_case) == segment_key(b, ignores_case))
    }

    /// The rule that covers all of `prefix`: `<prefix>/**`.
    #[must_use]
    pub fn all_of(prefix: &PathPrefix) -> Self {
        let segments = prefix.segments().map(|segment| Segment::Literal(segment.to_owned())).collect();
        Self { text: format!("{}/**", prefix.0.trim_end_matches('/')), segments, open: true }
    }

    /// Its canonical text, for messages and labels.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether its first segments are these literals.
    pub(super) fn lies_under<'a>(
        &self,
        prefix: impl IntoIterator<Item = &'a str>,
        same: impl Fn(&str, &str) -> bool,
    ) -> bool {
        let mut segments = self.segments.iter();
        prefix.into_iter().all(|expected| match segments.next() {
            Some(Segment::Literal(literal)) => same(literal, expected),
            Some(Segment::Parameter) | None => false,
        })
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether it ends in `/**`.
    pub(super) const fn is_open(&self) -> bool {
        self.open
    }
}

impl PathPrefix {
    /// Its canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }
}

impl FromStr for PathPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if !text.starts_with('/') {
            return Err(PatternError::NotAbsolute);
        }
        let text = text.strip_suffix('/').unwrap_or(text);
        let (closed, open) = text.strip_suffix("/**").map_or((text, false), |rest| (rest, true));
        let mut segments = Vec::new();
        let mut names = Vec::new();
        let mut canonical = String::new();
        let mut rest = closed;
        while let Some((segment, following)) = next_segment(rest) {
            rest = following;
            canonical.push('/');
            if let Some(name) = parameter(segment)? {
                if names.contains(&name) {
                    return Err(PatternError::ParameterTwice(name.to_owned()));
                }
                names.push(name);
                canonical.push_str(segment);
                segments.push(Segment::Parameter);
            } else {
                let literal = literal(segment)?;
                canonical.push_str(&literal);
                segments.push(Segment::Literal(literal));
            }
        }
        if open {
            canonical.push_str("/**");
        } else if canonical.is_empty() {
            canonical.push('/');
        }
        Ok(Self { text: canonical, segments, open })
    }
}

/// The name in `{name}`; none if the segment is a literal.
fn parameter(segment: &str) -> Result<Option<&str>, PatternError> {
    if !segment.contains(['{', '}']) {
        return Ok(None);
    }
    let name = segment
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .filter(|name| !name.contains(['{', '}']))
        .ok_or(PatternError::PartOfSegment)?;
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(PatternError::ParameterName(name.to_owned()));
    }
    Ok(Some(name))
}

fn literal(segment: &str) -> Result<String, PatternError> {
    match segment {
        "" => return Err(PatternError::EmptySegment),
        _ if segment.contains('?') => return Err(PatternError::Query),
        _ if segment.contains('#') => return Err(PatternError::Fragment),
        _ if segment.contains('*') => return Err(PatternError::Wildcard),
        _ => {}
    }
    let path = NormalPath::parse(format!("/{segment}").as_bytes())?;
    if !path.features().is_empty() {
        return Err(PatternError::Ambiguous(path.features()));
    }
    Ok(path.as_str().trim_start_matches('/').to_owned())
}

impl FromStr for PathPrefix {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let pattern: PathPattern = text.parse()?;
        if pattern.open || pattern.segments.contains(&Segment::Parameter) {
            return Err(PatternError::NotPlain);
        }
        Ok(Self(pattern.text))
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Result<String, PatternError> {
        text.parse().map(|pattern: PathPattern| pattern.to_string())
    }

    fn prefix(text: &str) -> Result<String, PatternError> {
        text.parse().map(|prefix: PathPrefix| prefix.to_string())
    }

    #[test]
    fn patterns_have_one_text() {
        for (written, canonical) in [
            ("/", "/"),
            ("/a/", "/a"),
            ("/**", "/**"),
            ("/**/", "/**"),
            ("/a/{id}/b/**", "/a/{id}/b/**"),
            ("/%41%3a/%2a", "/A%3A/%2A"),
            ("/{_a1}/{b}/", "/{_a1}/{b}"),
        ] {
            assert_eq!(pattern(written).unwrap(), canonical, "{written}");
            assert_eq!(pattern(canonical).unwrap(), canonical, "{written}");
        }
    }

    #[test]
    fn each_mistake_in_a_pattern_has_its_own_error() {
        use PatternError as E;
        for (written, error) in [
            ("", E::NotAbsolute),
            ("a/b", E::NotAbsolute),
            ("**", E::NotAbsolute),
            ("//", E::EmptySegment),
            ("//a", E::EmptySegment),
            ("/a//", E::EmptySegment),
            ("/a//**", E::EmptySegment),
            ("/a?b", E::Query),
            ("/a#b", E::Fragment),
            ("/a/*", E::Wildcard),
            ("/a/**/b", E::Wildcard),
            ("/a**", E::Wildcard),
            ("/a/**/**", E::Wildcard),
            ("/a{id}", E::PartOfSegment),
            ("/{a}{b}", E::PartOfSegment),
            ("/{a", E::PartOfSegment),
            ("/a}", E::PartOfSegment),
            ("/{}", E::ParameterName(String::new())),
            ("/{1a}", E::ParameterName("1a".into())),
            ("/{a-b}", E::ParameterName("a-b".into())),
            ("/{a}/b/{a}", E::ParameterTwice("a".into())),
            ("/a/../b", E::Refused(PathError::DotSegment)),
            ("/a/%2e", E::Refused(PathError::DotSegment)),
            ("/a b", E::Refused(PathError::Raw(' '))),
            ("/ä", E::Refused(PathError::NotAscii(0xC3))),
            ("/%zz", E::Refused(PathError::BadEscape)),
        ] {
            assert_eq!(pattern(written), Err(error), "{written}");
        }
        for written in ["/a;b", "/a%2Fb", "/a.", "/a%3F"] {
            assert!(matches!(pattern(written), Err(E::Ambiguous(_))), "{written}");
        }
    }

    #[test]
    fn messages_say_what_to_write_instead() {
        let message = |text| pattern(text).unwrap_err().to_string();
        assert!(message("/a*").contains("write `{name}` for one segment"));
        assert!(message("/{1}").starts_with("`{1}` needs a name"));
        assert!(message("/a b").ends_with("which is written `%20`"));
        assert!(message("/a;b").contains("(parameters)"));
    }

    #[test]
    fn prefixes_are_plain() {
        assert_eq!(prefix("/").unwrap(), "/");
        assert_eq!(prefix("/%61/b/").unwrap(), "/a/b");
        for written in ["/a/**", "/{x}", "/a/{x}/b"] {
            assert_eq!(prefix(written), Err(PatternError::NotPlain), "{written}");
        }
        assert_eq!(prefix("a"), Err(PatternError::NotAbsolute));
    }

    #[test]
    fn a_pattern_is_within_a_prefix_by_whole_segments() {
        let within =
            |pattern: &str, prefix: &str| pattern.parse::<PathPattern>().unwrap().is_within(&prefix.parse().unwrap());
        for path in ["/a", "/a/", "/a/**", "/a/b", "/a/{x}"] {
            assert!(within(path, "/a") && within(path, "/"), "{path}");
        }
        assert!(within("/a%3Ab/c", "/a:b"));
        for path in ["/", "/**", "/ab", "/{x}", "/{x}/a", "/A"] {
            assert!(!within(path, "/a"), "{path}");
        }
    }

    #[test]
    fn all_of_a_prefix_is_what_its_text_says() {
        for (prefix, pattern) in [("/", "/**"), ("/a/b", "/a/b/**")] {
            let all = PathPattern::all_of(&prefix.parse().unwrap());
            assert_eq!(all, pattern.parse().unwrap());
        }
    }
}
