//! What a server behind the door may make of a path: the reason why a path with [`super::PathFeatures`] is let through
//! only if the same rule covers all of it.

use std::mem;

use percent_encoding::percent_decode_str;

/// More than any honest path has; a path with more is refused, as its readings cannot all be looked at.
const MAX_READINGS: usize = 64;

/// What servers are known to do to a path. Each may do several of these, in any order, and again.
const STEPS: [fn(&str) -> String; 8] = [
    decode,
    decode_all_but_slashes,
    cut_query,
    cut_fragment,
    drop_parameters,
    drop_trailing_dots,
    collapse_slashes,
    cut_authority,
];

/// Every text that some sequence of steps makes of `path`, itself included; none if they are too many.
///
/// A second decoding adds nothing: a path that is encoded twice was refused when it was parsed.
pub(super) fn readings(path: &str) -> Option<Vec<String>> {
    let mut found = vec![path.to_owned()];
    let mut next = 0;
    while let Some(reading) = found.get(next).cloned() {
        next += 1;
        for step in STEPS {
            let read = step(&reading);
            if !found.contains(&read) {
                found.push(read);
            }
        }
        if found.len() > MAX_READINGS {
            return None;
        }
    }
    Some(found)
}

fn decode(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

fn decode_all_but_slashes(path: &str) -> String {
    path.split("%2F").map(decode).collect::<Vec<_>>().join("%2F")
}

fn cut_query(path: &str) -> String {
    path.split('?').next().unwrap_or_default().to_owned()
}

fn cut_fragment(path: &str) -> String {
    path.split('#').next().unwrap_or_default().to_owned()
}

fn drop_parameters(path: &str) -> String {
    each_segment(path, |segment| segment.split(';').next().unwrap_or_default())
}

fn drop_trailing_dots(path: &str) -> String {
    each_segment(path, |mut segment| {
        while let Some(shorter) = [".", " ", "%20"].iter().find_map(|end| segment.strip_suffix(end)) {
            segment = shorter;
        }
        segment
    })
}

fn each_segment(path: &str, change: impl Fn(&str) -> &str) -> String {
    path.split('/').map(change).collect::<Vec<_>>().join("/")
}

fn collapse_slashes(path: &str) -> String {
    let mut last = ' ';
    path.chars().filter(|&c| mem::replace(&mut last, c) != '/' || c != '/').collect()
}

/// A parser of URLs takes `//name/path` for a host and its path.
fn cut_authority(path: &str) -> String {
    let Some(rest) = path.strip_prefix("//") else {
        return path.to_owned();
    };
    rest.find('/').map_or("/", |slash| rest.split_at(slash).1).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(path: &str) -> Vec<String> {
        let mut found = readings(path).unwrap();
        found.sort();
        found
    }

    #[test]
    fn a_plain_path_has_one_reading() {
        assert_eq!(sorted("/a/b.c/"), ["/a/b.c/"]);
    }

    #[test]
    fn each_step_is_taken() {
        assert_eq!(sorted("/a%2Fb"), ["/a%2Fb", "/a/b"]);
        assert_eq!(sorted("/a//b"), ["/a//b", "/a/b"]);
        assert_eq!(sorted("/a;x/b"), ["/a/b", "/a;x/b"]);
        assert_eq!(sorted("/a%3Fb"), ["/a", "/a%3Fb", "/a?b"]);
        assert_eq!(sorted("/a%23b"), ["/a", "/a#b", "/a%23b"]);
        assert_eq!(sorted("/a%20./b"), ["/a ./b", "/a%20./b", "/a/b"]);
        assert_eq!(sorted("//a/b"), ["//a/b", "/a/b", "/b"]);
    }

    #[test]
    fn steps_are_taken_one_after_the_other() {
        assert!(sorted("/%2Fa/b").contains(&"/b".into()), "an encoded slash makes an authority");
        assert!(sorted("/a/;x/b").contains(&"/a/b".into()), "parameters leave an empty segment");
        let both = sorted("/a%3Bx%2Fb");
        assert!(both.contains(&"/a".into()) && both.contains(&"/a/b".into()), "{both:?}");
    }

    #[test]
    fn an_honest_path_with_everything_at_once_is_not_too_much() {
        assert!(readings("/a//b;v=1/c%2Fd/e%3Ff%23g%3Bh/i./j%20").is_some());
        assert!(readings(&"//a".repeat(2000)).is_none());
    }
}
