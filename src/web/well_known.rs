//! Where a document about an issuer or a resource stands: RFC 8414 section 3 and RFC 9728 section 3 put the well-known
//! part between the host and the path of its URL.

/// The path of the document of this name about `url`, an absolute URL without a slash at its end.
#[must_use]
pub fn well_known_path(url: &str, name: &str) -> String {
    format!("/.well-known/{name}{}", split(url).1)
}

/// The URL of the document of this name about `url`.
#[must_use]
pub fn well_known_url(url: &str, name: &str) -> String {
    format!("{}{}", split(url).0, well_known_path(url, name))
}

/// Scheme and authority, and the path.
fn split(url: &str) -> (&str, &str) {
    let authority = url.find("://").map_or(0, |at| at + "://".len());
    let path = url.match_indices('/').map(|(at, _)| at).find(|at| *at >= authority);
    url.split_at(path.unwrap_or(url.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_part_stands_between_host_and_path() {
        for (url, path, whole) in [
            ("https://h", "/.well-known/n", "https://h/.well-known/n"),
            ("http://127.0.0.1:8080", "/.well-known/n", "http://127.0.0.1:8080/.well-known/n"),
            ("https://h/a/b", "/.well-known/n/a/b", "https://h/.well-known/n/a/b"),
        ] {
            assert_eq!((well_known_path(url, "n"), well_known_url(url, "n")), (path.to_owned(), whole.to_owned()));
        }
    }
}
