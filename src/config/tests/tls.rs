//! The door's certificates: every mistake at its key, with the file's name.

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ED25519, date_time_ymd};
use tempfile::TempDir;

use super::*;

/// A folder with `cert.pem` and `key.pem`, the same of another one, an expired one, and `clients.pem`.
pub(super) fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    for (prefix, host) in [("", "a.example"), ("other-", "b.example"), ("old-", "c.example"), ("nameless-", "")] {
        let key =
            if host.starts_with('b') { KeyPair::generate_for(&PKCS_ED25519) } else { KeyPair::generate() }.unwrap();
        let names = if host.is_empty() { Vec::new() } else { vec![host.to_owned()] };
        let mut parameters = CertificateParams::new(names).unwrap();
        if prefix == "old-" {
            parameters.not_after = date_time_ymd(2020, 1, 1);
        }
        write(&format!("{prefix}cert.pem"), parameters.self_signed(&key).unwrap().pem());
        write(&format!("{prefix}key.pem"), key.serialize_pem());
    }
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("clients.pem", authority.self_signed(&KeyPair::generate().unwrap()).unwrap().pem());
    let secret = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    write("encrypted.pem", secret.to_owned());
    write("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned());
    write("empty.pem", String::new());
    folder
}

fn result(folder: &TempDir, text: &str) -> Result<Loaded, Report> {
    interpret(&folder.path().join("a.toml"), text, &Environment::default(), Purpose::Serve)
}

/// A document that is right, in that folder.
pub(super) fn read_in(folder: &TempDir, text: &str) -> Loaded {
    result(folder, text).unwrap_or_else(|report| panic!("{report}"))
}

const RIGHT: &str = "{ cert = 'cert.pem', key = 'key.pem' }";
const OTHER: &str = "{ cert = 'other-cert.pem', key = 'other-key.pem' }";

#[test]
fn a_certificate_or_several_are_read_and_watched() {
    let folder = folder();
    let clients = "{ cert = 'cert.pem', key = 'key.pem', client_ca = 'clients.pem' }";
    for (tls, files) in [
        (RIGHT.to_owned(), 2),
        (format!("[{RIGHT}, {OTHER}]"), 4),
        (clients.to_owned(), 3),
        (format!("[{clients}, {OTHER}, {clients}]"), 8),
        ("{ cert = 'cert.pem', key = 'key.pem', client_ca = 'clients.pem', client_auth = 'optional' }".to_owned(), 3),
    ] {
        let loaded = read_in(&folder, &format!("[server]\nlisten = ['127.0.0.1:443']\ntls = {tls}"));
        assert!(loaded.settings.live.tls.is_some());
        assert_eq!(loaded.settings.files.len(), files, "{tls}");
        assert_eq!(loaded.settings.public_url, "https://127.0.0.1:443");
        assert_eq!(loaded.warnings, Report::default());
        let unchanged: Vec<_> = loaded.settings.files.iter().map(WatchedFile::now).collect();
        assert_eq!(unchanged, loaded.settings.files);
    }
}

#[test]
fn a_mistake_is_told_at_its_key_with_the_files_name() {
    let folder = folder();
    for (tls, key, part) in [
        ("{ cert = 'none.pem', key = 'key.pem' }", "tls.cert", "none.pem cannot be read"),
        ("{ cert = '/dev/zero', key = 'key.pem' }", "tls.cert", "no regular file"),
        ("{ cert = '.', key = 'key.pem' }", "tls.cert", "directory"),
        ("{ cert = 'cert.pem' }", "tls.key", "missing"),
        ("{ cert = 'empty.pem', key = 'key.pem' }", "tls.cert", "empty.pem: there is no certificate"),
        ("{ cert = 'junk.pem', key = 'key.pem' }", "tls.cert", "junk.pem: certificate 1 in it"),
        ("{ cert = 'key.pem', key = 'key.pem' }", "tls.cert", "no certificate"),
        ("{ cert = 'cert.pem', key = 'cert.pem' }", "tls.key", "cert.pem: there is no private key"),
        ("{ cert = 'cert.pem', key = 'encrypted.pem' }", "tls.key", "is encrypted"),
        ("{ cert = 'cert.pem', key = 'other-key.pem' }", "tls.key", "other-key.pem: it is not the key"),
        ("{ cert = 'cert.pem', key = 'key.pem', client_auth = 'optional' }", "tls.client_auth", "no `client_ca`"),
        ("{ cert = 'cert.pem', key = 'key.pem', client_ca = 'empty.pem' }", "tls.client_ca", "empty.pem: there is no"),
        ("{ cert = 'cert.pem', key = 'key.pem', client_ca = 'junk.pem' }", "tls.client_ca", "certificate 1 in it"),
        ("[{ cert = 'cert.pem', key = 'key.pem', cipher = 'x' }]", "tls[0].cipher", "unknown key"),
        (
            "[{ cert = 'cert.pem', key = 'key.pem' }, { cert = 'cert.pem', key = 'key.pem', client_ca = 'clients.pem' }]",
            "tls",
            "cannot depend on the certificate",
        ),
    ] {
        let text = format!("[server]\npublic_url = 'https://a'\ntls = {tls}");
        let report = result(&folder, &text).unwrap_err();
        let [found] = report.diagnostics() else { panic!("{report}") };
        assert_eq!(found.key, format!("server.{key}"), "{report}");
        assert!(found.message.contains(part), "{report}");
        assert_eq!(found.line, Some(3), "{report}");
    }
}

#[test]
fn an_expired_certificate_and_one_that_is_never_chosen_are_warnings() {
    let folder = folder();
    for (tls, part) in [
        ("{ cert = 'old-cert.pem', key = 'old-key.pem' }".to_owned(), "expired at 2020-01-01"),
        (format!("[{RIGHT}, {{ cert = 'nameless-cert.pem', key = 'nameless-key.pem' }}]"), "names no host"),
    ] {
        let loaded = read_in(&folder, &format!("[server]\npublic_url = 'https://a'\ntls = {tls}"));
        let [warning] = loaded.warnings.diagnostics() else { panic!("{:?}", loaded.warnings) };
        assert!(warning.message.contains(part), "{warning}");
        assert_eq!(warning.key.rsplit('.').next(), Some("cert"));
    }
}

#[test]
fn only_whether_there_is_tls_is_fixed() {
    let folder = folder();
    let with = |tls: &str| read_in(&folder, &format!("[server]\npublic_url = 'https://a'\n{tls}")).settings;
    let old = with(&format!("tls = {RIGHT}"));
    assert_eq!(restart_needed(&old, &with(&format!("tls = [{OTHER}, {RIGHT}]"))), Vec::<&str>::new());
    assert_eq!(restart_needed(&old, &with("")), ["server.tls"]);
}

#[test]
fn a_file_that_is_written_anew_is_another_one() {
    let folder = folder();
    let files = read_in(&folder, &format!("[server]\ntls = {RIGHT}")).settings.files;
    let path = folder.path().join("key.pem");
    let text = std::fs::read(&path).unwrap();
    let changes: [&dyn Fn(); 3] = [
        &|| std::fs::write(&path, [text.as_slice(), b"\n"].concat()).unwrap(),
        &|| std::fs::remove_file(&path).unwrap(),
        &|| {
            std::fs::write(folder.path().join("new"), &text).unwrap();
            std::fs::rename(folder.path().join("new"), &path).unwrap();
        },
    ];
    let mut last = files;
    for change in changes {
        change();
        let now: Vec<_> = last.iter().map(WatchedFile::now).collect();
        assert_eq!(now[0], last[0]);
        assert_ne!(now[1], last[1]);
        last = now;
    }
}
