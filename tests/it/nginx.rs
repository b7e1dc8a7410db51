//! nginx as the API behind: plain, and over TLS with HTTP/2. It must be on the machine; where it is not, this says so.

use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::{Authority, Gateway, own_address};

/// A running nginx.
struct Nginx {
    plain: SocketAddr,
    secure: SocketAddr,
    child: Child,
    authority: Authority,
    _folder: TempDir,
}

impl Nginx {
    /// Nothing if there is none on this machine.
    fn start() -> Option<Self> {
        if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_err() {
            let _ = writeln!(std::io::stderr(), "SKIPPED: there is no nginx here, so nothing was proved of it");
            return None;
        }
        let (folder, authority, address) = (TempDir::new().unwrap(), Authority::new(), own_address());
        let (plain, secure) = (SocketAddr::new(address, 80), SocketAddr::new(address, 443));
        authority.sign(&["nginx.internal"]).write(folder.path(), "nginx");
        fs::write(folder.path().join("large"), vec![b'x'; 3_000_000]).unwrap();
        fs::write(folder.path().join("nginx.conf"), configuration(&folder, plain, secure)).unwrap();
        let configuration = folder.path().join("nginx.conf");
        let child = Command::new("nginx").arg("-c").arg(configuration).spawn().unwrap();
        let nginx = Self { plain, secure, child, authority, _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(10);
        while [plain, secure].iter().any(|address| TcpStream::connect(address).is_err()) {
            assert!(Instant::now() < deadline, "nginx does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        Some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// It tells what it was asked and who it was told, and serves a file. Bodies are read, then forgotten.
fn configuration(folder: &TempDir, plain: SocketAddr, secure: SocketAddr) -> String {
    let folder = folder.path().display();
    format!(
        r#"
        daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors crit;
        events {{ worker_connections 256; }}
        http {{
            access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
            server {{
                listen {plain}; listen {secure} ssl http2; server_name _;
                ssl_certificate {folder}/nginx.pem; ssl_certificate_key {folder}/nginx-key.pem;
                client_max_body_size 5m;
                location / {{
                    add_header X-Seen "$request_method $request_uri $server_protocol owner=$http_x_portcullis_owner";
                    return 200 "$http_authorization\n";
                }}
                location = /orders/large {{ alias {folder}/large; }}
                location = /orders/gone {{ return 410; }}
            }}
        }}
        "#
    )
}

#[test]
fn nginx_behind_is_told_who_calls_over_http_1_and_over_tls_with_http_2() {
    let Some(nginx) = Nginx::start() else { return };
    for (server, protocol) in [(nginx.plain.to_string(), "HTTP/1.1"), (format!("https://{}", nginx.secure), "HTTP/2.0")]
    {
        let tls =
            if protocol == "HTTP/2.0" { r#"tls = { ca = "ca.pem", server_name = "nginx.internal" }"# } else { "" };
        let mut gateway = Gateway::prepare(
            "",
            &format!(
                r#"
                [upstreams.orders]
                servers = ["{server}"]
                {tls}
                [[upstreams.orders.rules]]
                path = "/orders/**"
                scopes = ["orders"]
                "#
            ),
        );
        fs::write(gateway.folder.path().join("ca.pem"), nginx.authority.pem()).unwrap();
        gateway.launch();
        let client = gateway.client(&["orders"]);
        let token = gateway.token(&client, None);

        for _ in 0..3 {
            let answer = gateway.call("GET /orders/7?a=%20b", &token);
            let seen = format!("GET /orders/7?a=%20b {protocol} owner={}", client.organization);
            assert_eq!((answer.status, answer.header("x-seen")), (200, Some(seen.as_str())), "{answer:?}");
            assert_eq!(answer.body, b"\n", "the token goes no further");
        }
        assert_eq!(gateway.call("GET /orders/large", &token).body.len(), 3_000_000);
        assert_eq!(gateway.call("HEAD /orders/large", &token).header("content-length"), Some("3000000"));
        assert_eq!(gateway.call("GET /orders/gone", &token).status, 410);
        assert_eq!(gateway.call("GET /orders/../x", &token).status, 400);
        assert_eq!(gateway.call("GET /orders/7", "prt_at_none").status, 401);
    }
}
