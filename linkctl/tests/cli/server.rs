//! A fake REST API with canned answers. It records the requests.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Prefix of every path below the cluster.
pub(crate) const CLUSTER: &str = "/kafka/v3/clusters/c1";

/// Answers by request line. The last answer of a line is repeated.
type Routes = HashMap<String, Vec<(u16, String)>>;

/// A server on its own port. It runs until the process ends.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts a server. It answers `METHOD path` (path below the cluster) with a status and a body, and
    /// anything else with 404.
    pub(crate) fn start(routes: &[(&str, u16, &str)]) -> Server {
        let mut table = Routes::new();
        let clusters = r#"{"data":[{"cluster_id":"c1"}]}"#.to_owned();
        table.insert("GET /kafka/v3/clusters".to_owned(), vec![(200, clusters)]);
        for (line, status, body) in routes {
            let (method, path) = line.split_once(' ').unwrap();
            let line = format!("{method} {CLUSTER}{path}");
            table.entry(line).or_default().push((*status, (*body).to_owned()));
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &mut table, &seen);
            }
        });
        Server { url: format!("http://127.0.0.1:{port}"), port, requests }
    }

    /// Returns the requests so far, except those for the cluster id, as `METHOD path body` with the path
    /// below the cluster.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(stream: TcpStream, table: &mut Routes, seen: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    if reader.read_line(&mut head).unwrap_or(0) == 0 {
        return;
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let request = head.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    if request != "GET /kafka/v3/clusters" {
        let body = String::from_utf8(body).unwrap();
        seen.lock().unwrap().push(format!("{request} {body}").replace(CLUSTER, "").trim_end().to_owned());
    }
    let (status, body) = match table.get_mut(&request) {
        Some(answers) => next(answers),
        None => listed(&request, table)
            .unwrap_or_else(|| (404, format!(r#"{{"error_code":404,"message":"no route for {request}"}}"#))),
    };
    let mut stream = reader.into_inner();
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // A client that refuses a huge body closes the connection in the middle of it.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

/// Derives a listing without partitions, or a single mirror topic, from a listing of the test.
fn listed(request: &str, table: &mut Routes) -> Option<(u16, String)> {
    if let Some(list) = request.strip_suffix("?include_partitions=false") {
        return Some(next(table.get_mut(list)?));
    }
    let (list, topic) = request.rsplit_once("/mirrors/").filter(|(_, topic)| !topic.contains('/'))?;
    let (status, body) = next(table.get_mut(&format!("{list}/mirrors"))?);
    if status != 200 {
        return Some((status, body));
    }
    let all: serde_json::Value = serde_json::from_str(&body).unwrap();
    let found = all["data"].as_array().unwrap().iter().find(|mirror| mirror["mirror_topic_name"] == topic);
    Some(found.map_or_else(
        || (404, format!(r#"{{"error_code":404,"message":"Topic '{topic}' is not a mirror topic."}}"#)),
        |mirror| (200, mirror.to_string()),
    ))
}

fn next(answers: &mut Vec<(u16, String)>) -> (u16, String) {
    if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
}
