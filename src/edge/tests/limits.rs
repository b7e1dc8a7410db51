//! What a caller is told of its limit, and that the upstream sees no request beyond it.

use super::harness::{House, OK, Recorder, Reply, server_settings, status, upstream_settings};
use crate::{
    edge::UpstreamSettings,
    model::RateLimit,
    policy::{CallerLimit, Per},
};

/// An upstream, public as a whole: `burst` requests at once, and one more an hour.
fn limited(burst: u32, port: u16) -> UpstreamSettings {
    let limit = RateLimit { rate: "1/h".parse().unwrap(), burst: burst.try_into().unwrap() };
    let mut settings = upstream_settings("open", "/", port);
    settings.rules.policy.limit = Some(CallerLimit { limit, per: Per::Client });
    settings
}

fn tells(answer: &str, lines: &[&str]) {
    let answer = answer.to_ascii_lowercase();
    for line in lines {
        assert!(answer.contains(&format!("\r\n{line}\r\n")), "{line} is missing in {answer}");
    }
}

#[tokio::test]
async fn beyond_the_burst_it_is_a_429_that_the_upstream_does_not_see() {
    let upstream = Recorder::start(&[OK]).await;
    let house = House::open(server_settings(), vec![limited(2, upstream.port)]).await;
    let policy = r#"ratelimit-policy: "requests-to-upstream";q=2;w=7200"#;
    for left in [1, 0] {
        let answer = house.get("/", "").await;
        assert_eq!(status(&answer), "200");
        tells(&answer, &[&format!(r#"ratelimit: "requests-to-upstream";r={left}"#), policy]);
    }
    // An address that nobody vouches for is no other caller.
    for forged in ["", "X-Forwarded-For: 198.51.100.1\r\n", "Forwarded: for=198.51.100.1\r\n", "X-Real-IP: 1.1.1.1\r\n"]
    {
        let answer = house.get("/", forged).await;
        assert_eq!(status(&answer), "429");
        let wait =
            answer.to_ascii_lowercase().split_once("retry-after: ").unwrap().1.split_once('\r').unwrap().0.to_owned();
        assert!((3500..=3600).contains(&wait.parse().unwrap()), "{answer}");
        tells(&answer, &[&format!(r#"ratelimit: "requests-to-upstream";r=0;t={wait}"#), policy]);
        assert!(answer.contains(r#""error":"rate_limited""#), "{answer}");
    }
    assert_eq!(upstream.seen().len(), 2);
    house.counts(r#"portcullis_rate_limited_total{upstream="open"} 4"#).await;
    house.counts(r#"portcullis_decisions_total{decision="deny",reason="rate_limited",upstream="open"} 4"#).await;
    house.counts(r#"portcullis_requests_total{method="GET",status="429",upstream="open"} 4"#).await;
}

#[tokio::test]
async fn a_limit_that_the_upstream_tells_of_is_passed_on_alone() {
    const OWN: Reply = Reply::Bytes("HTTP/1.1 200 OK\r\nRateLimit: \"theirs\";r=5\r\nContent-Length: 2\r\n\r\nok");
    let upstream = Recorder::start(&[OWN]).await;
    let house = House::open(server_settings(), vec![limited(2, upstream.port)]).await;
    let answer = house.get("/", "").await;
    tells(&answer, &[r#"ratelimit: "theirs";r=5"#]);
    assert!(!answer.contains("requests-to-upstream"), "{answer}");
}

#[tokio::test]
async fn without_a_limit_nothing_is_told() {
    let upstream = Recorder::start(&[OK]).await;
    let house = House::open(server_settings(), vec![upstream_settings("open", "/", upstream.port)]).await;
    assert!(!house.get("/", "").await.to_ascii_lowercase().contains("ratelimit"));
}
