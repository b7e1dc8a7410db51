//! SIGHUP: a whole file or nothing, at once, each request under one version.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::support::{Connection, Gateway, Upstream};

/// Version `n`: the upstream is told `n` in a header, and the rule wants the scope of `n`.
fn version(upstream: &Upstream, n: usize) -> String {
    format!(
        r#"
        [upstreams.api]
        servers = ["{}"]
        set_headers = {{ X-Version = "{n}" }}
        [[upstreams.api.rules]]
        path = "/open"
        access = "public"
        [[upstreams.api.rules]]
        path = "/v{n}/**"
        access = "public"
        "#,
        upstream.address
    )
}

#[test]
fn a_hundred_reloads_under_load_fail_no_request_and_mix_no_versions() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::start(&version(&upstream, 0));
    gateway.expect_error("portcullis.toml");
    let stop = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (public, stop, served) = (gateway.public, stop.clone(), served.clone());
            thread::spawn(move || {
                let mut connection = Connection::open(public);
                while !stop.load(Ordering::SeqCst) {
                    connection.send(b"GET /open HTTP/1.1\r\nHost: a\r\n\r\n");
                    let answer = connection.answer(false).expect("closed under load");
                    assert_eq!(answer.status, 200);
                    served.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let mut current = 0;
    for n in 1..=100 {
        let bad = n % 10 == 0;
        let text = if bad { "[upstreams.api]\nserver = 1".to_owned() } else { version(&upstream, n) };
        gateway.configure("", &text);
        let result = if bad { "error" } else { "ok" };
        let counter = format!(r#"portcullis_config_reloads_total{{result="{result}"}}"#);
        let before = gateway.metric(&counter);
        gateway.signal("HUP");
        let start = Instant::now();
        while gateway.metric(&counter) <= before {
            assert!(start.elapsed() < Duration::from_secs(1), "reload {n} took too long");
            thread::sleep(Duration::from_millis(2));
        }
        if !bad {
            current = n;
        }
        // What matches the version's own path is forwarded with the version's own header.
        let mut connection = Connection::open(gateway.public);
        connection.send(format!("GET /v{current}/x HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert_eq!(connection.answer(false).unwrap().status, 200, "version {current} is not in force");
        let seen = upstream.take();
        let own = seen.iter().find(|seen| seen.target().starts_with("/v")).unwrap();
        assert_eq!(own.header("x-version"), Some(current.to_string().as_str()));
    }
    stop.store(true, Ordering::SeqCst);
    for thread in load {
        thread.join().unwrap();
    }
    assert!(served.load(Ordering::SeqCst) > 100);
    assert!((gateway.metric(r#"portcullis_config_reloads_total{result="error"}"#) - 10.0).abs() < f64::EPSILON);
}

#[test]
fn a_bad_file_keeps_the_old_rules_and_says_where_it_is_wrong() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::start(&version(&upstream, 1));
    gateway.expect_error("portcullis.toml");
    gateway.configure("", &version(&upstream, 2).replace("access", "acess"));
    gateway.signal("HUP");
    let line = gateway.wait_for_log("acess");
    let place = line.split("portcullis.toml:").nth(1).unwrap();
    let mut numbers = place.split([':', ' ', '"', '\\']);
    assert!(numbers.next().unwrap().parse::<u32>().is_ok() && numbers.next().unwrap().parse::<u32>().is_ok(), "{line}");
    assert_eq!(gateway.send("GET /v1/x").status, 200);
    assert_eq!(gateway.send("GET /v2/x").status, 404);
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_is_taken() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&version(&upstream, 1));
    gateway.configure("max_connections = 77", &version(&upstream, 2));
    gateway.signal("HUP");
    let line = gateway.wait_for_log("restart");
    assert!(line.contains("server.max_connections"), "{line}");
    assert_eq!(gateway.send("GET /v2/x").status, 200);
}
