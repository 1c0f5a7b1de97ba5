//! Requests of web pages and of hostile or slow clients. They must not be obeyed, and must not delay others.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::admin::tests::fixture::{LINKS, Server, server};

const JSON: &str = "Content-Type: application/json";
const FAILOVER: &str = "/kafka/v3/clusters/CID/links/dr/mirrors:failover";
const BODY: &str = r#"{"mirror_topic_names":["users"]}"#;

async fn status(server: &Server, headers: &[&str]) -> u16 {
    server.ask_with(server.address, "POST", FAILOVER, headers, BODY).await.status
}

#[tokio::test]
async fn requests_that_a_web_page_can_send_are_refused() {
    let server = server().await;
    for (headers, expected) in [
        // Another name that resolves to this address: DNS rebinding.
        (&["Host: evil.example:8090", JSON][..], 421),
        (&["Host: gate.evil.example", JSON], 421),
        (&["Host: gate:8090", "Host: evil.example", JSON], 421),
        (&[JSON], 421),
        // A form on another site.
        (&["Host: gate:8090", JSON, "Origin: http://evil.example"], 403),
        (&["Host: gate:8090", JSON, "Origin: null"], 403),
        (&["Host: localhost:8090", JSON, "Origin: http://localhost:3000"], 403),
        (&["Host: gate:8090", JSON, "Sec-Fetch-Site: cross-site"], 403),
        (&["Host: gate:8090", JSON, "Sec-Fetch-Site: same-site"], 403),
        (&["Host: gate:8090", "Content-Type: text/plain"], 415),
        (&["Host: gate:8090", "Content-Type: application/x-www-form-urlencoded"], 415),
        (&["Host: gate:8090"], 415),
    ] {
        let answer = server.ask_with(server.address, "POST", FAILOVER, headers, BODY).await;
        assert_eq!(answer.status, expected, "{headers:?}");
        assert_eq!(answer.json()["error_code"], expected);
    }
    let read = server.ask_with(server.address, "GET", "/v3/clusters", &["Host: evil.example"], "").await;
    assert_eq!(read.status, 421);
    assert!(read.json()["message"].as_str().unwrap().contains("admin.allowed.hosts"));
    assert!(server.double.told.lock().unwrap().is_empty());

    for headers in [
        &["Host: gate", JSON][..],
        &["Host: 10.1.2.3:8090", JSON],
        &["Host: [::1]:8090", JSON],
        &["Host: localhost:8090", JSON],
        &["Host: gate:8090", JSON, "Origin: http://gate:8090", "Sec-Fetch-Site: same-origin"],
    ] {
        assert_eq!(status(&server, headers).await, 200, "{headers:?}");
    }
    // A request without a body needs no content type.
    let scan = format!("{LINKS}/-/mirrors/users/filler:scan");
    assert_eq!(server.ask_with(server.address, "POST", &scan, &["Host: gate"], "").await.status, 200);
    // Probes do not know the allowed host names.
    for path in ["/health/live", "/health/ready"] {
        let probe = server.ask_with(server.address, "GET", path, &["Host: pod.example"], "").await;
        assert_ne!(probe.status, 421, "{path}");
    }
}

#[tokio::test]
async fn a_listener_for_metrics_serves_nothing_else() {
    let server = server().await;
    let address = server.handle.addresses()[1];
    for (method, path, expected) in [
        ("GET", "/health/live", 200),
        ("GET", "/health/ready", 503),
        ("GET", "/metrics", 200),
        ("GET", "/kafka/v3/clusters", 404),
        ("GET", "/openapi.json", 404),
        ("POST", FAILOVER, 404),
    ] {
        let answer = server.ask_with(address, method, path, &["Host: prometheus.example", JSON], "").await;
        assert_eq!(answer.status, expected, "{method} {path}");
    }
    assert!(server.double.told.lock().unwrap().is_empty());
}

/// Returns true if the server closes the connection within this time.
async fn is_closed(mut stream: TcpStream, within: Duration) -> bool {
    let mut rest = Vec::new();
    matches!(tokio::time::timeout(within, stream.read_to_end(&mut rest)).await, Ok(Ok(_) | Err(_)))
}

#[tokio::test]
async fn incomplete_requests_are_closed_and_do_not_block_others() {
    let server = server().await;
    let mut slow = Vec::new();
    for n in 0..200 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let said: &[u8] = match n % 3 {
            0 => b"",
            1 => b"GET /health/live HTT",
            _ => b"POST /kafka/v3/clusters/CID/links?link_name=x HTTP/1.1\r\nHost: gate\r\nContent-Length: 9\r\n\r\n{",
        };
        let _ = stream.write_all(said).await;
        slow.push(stream);
    }
    for _ in 0..5 {
        let begin = Instant::now();
        assert_eq!(server.get("/health/live").await, json!({"status": "live"}));
        assert!(begin.elapsed() < Duration::from_millis(200), "{:?}", begin.elapsed());
    }
    let begin = Instant::now();
    for stream in slow {
        assert!(is_closed(stream, Duration::from_secs(15)).await);
    }
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    assert!(server.double.told.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn health_is_served_while_the_workers_are_busy() {
    let server = server().await;
    let address = server.address;
    let asked = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(2_500));
        let begin = Instant::now();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        use std::io::{Read as _, Write as _};
        stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).unwrap();
        (answer, begin.elapsed())
    });
    // This blocks the only worker and the test's thread for at least three seconds.
    let busy = tokio::spawn(async { std::thread::sleep(Duration::from_secs(4)) });
    std::thread::sleep(Duration::from_secs(3));
    let (answer, took) = asked.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("workers_silent_ms"), "{answer}");
    assert!(took < Duration::from_millis(200), "{took:?}");
    busy.await.unwrap();
}

/// Returns the duration of one request.
async fn took(server: &Server, method: &str, path: &str, body: &str) -> Duration {
    let begin = Instant::now();
    let answer = server.ask(method, path, body).await;
    assert!(answer.status < 500, "{path}: {}", answer.body);
    begin.elapsed()
}

/// No megabyte of body or path, whatever it holds, takes much longer than its reading.
#[tokio::test]
async fn no_request_of_a_megabyte_takes_long() {
    let server = server().await;
    let many = |one: &str, count: usize| vec![one; count].join(",");
    let config = r#"{"name":"bootstrap.servers","value":"x"}"#;
    let deep = "[".repeat(1 << 19);
    let long = "a".repeat(1 << 19);
    for (method, path, body) in [
        ("POST", FAILOVER.to_owned(), format!(r#"{{"mirror_topic_names":[{}]}}"#, many(r#""u""#, 200_000))),
        ("POST", FAILOVER.to_owned(), format!(r#"{{"mirror_topic_name_pattern":"{long}"}}"#)),
        ("POST", FAILOVER.to_owned(), deep.clone()),
        ("PUT", format!("{LINKS}/dr/configs:alter"), format!(r#"{{"data":[{}]}}"#, many(config, 20_000))),
        ("POST", format!("{LINKS}?link_name=x"), format!(r#"{{"configs":[{}]}}"#, many(config, 20_000))),
        ("POST", format!("{LINKS}?link_name=x"), deep),
        ("POST", format!("{LINKS}/dr/mirrors"), format!(r#"{{"source_topic_name":"{long}"}}"#)),
        ("PUT", format!("{LINKS}/dr/configs/acl.filters"), format!(r#"{{"value":"{long}"}}"#)),
        ("GET", format!("/v3/{}", "a/".repeat(4000)), String::new()),
        ("GET", format!("{LINKS}?{}", "a=b&".repeat(8000)), String::new()),
        ("GET", format!("{LINKS}/{}", "%25".repeat(8000)), String::new()),
    ] {
        let took = took(&server, method, &path, &body).await;
        assert!(
            took < Duration::from_secs(2),
            "{method} {} of {} bytes: {took:?}",
            &path[..60.min(path.len())],
            body.len()
        );
    }
}
