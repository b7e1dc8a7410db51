//! The files and the name of TLS to servers: each mistake at the key that is wrong.

use std::path::Path;

use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::*;

/// A configuration whose upstream speaks TLS on these terms, in a folder with a certificate, its key, and another key.
fn loaded(terms: &str) -> Result<Loaded, Report> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let pair = || generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
    let CertifiedKey { cert, signing_key } = pair();
    write("cert.pem", &cert.pem());
    write("key.pem", &signing_key.serialize_pem());
    write("other.pem", &pair().signing_key.serialize_pem());
    write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let source = folder.path().join("a.toml");
    let text = format!(
        "[server]\npublic_url = 'http://a'\n[upstreams.a]\nservers = ['https://h:1', 'h:2']\n\
         rules = [{{ access = 'token' }}]\ntls = {{ {terms} }}\n"
    );
    std::fs::write(&source, text).unwrap();
    load(&source, &Environment::default(), Purpose::Serve)
}

#[test]
fn terms_that_fit_are_taken() {
    for terms in
        ["", "ca = 'cert.pem'", "server_name = '10.0.0.1'", "cert = 'cert.pem', key = 'key.pem', ca = 'cert.pem'"]
    {
        assert!(loaded(terms).is_ok(), "{terms}");
    }
}

#[test]
fn a_mistake_in_tls_is_found_at_its_key() {
    for (terms, column, part) in [
        ("ca = 'none.pem'", 14, "cannot be read"),
        ("ca = 'key.pem'", 14, "no certificate"),
        ("ca = 'broken.pem'", 14, "certificate 1 in it"),
        ("cert = 'cert.pem'", 16, "without `key`"),
        ("key = 'key.pem'", 15, "without `cert`"),
        ("cert = 'key.pem', key = 'key.pem'", 16, "no certificate"),
        ("cert = 'cert.pem', key = 'cert.pem'", 34, "no private key"),
        ("cert = 'cert.pem', key = 'other.pem'", 34, "is not the key"),
        ("cert = 'cert.pem', key = 'none.pem'", 34, "cannot be read"),
        ("server_name = 'a b'", 23, "not a name"),
        ("server_name = ''", 23, "not a name"),
        ("verify = false", 9, "unknown key"),
    ] {
        let report = loaded(terms).expect_err(terms);
        let [found] = report.diagnostics() else { panic!("{terms}: {report}") };
        assert_eq!((found.line, found.column), (Some(6), Some(column)), "{terms}: {found}");
        assert!(found.message.contains(part), "{terms}: {found}");
        assert!(Path::new(&found.file).ends_with("a.toml"), "{found}");
    }
}
