//! The daemon and its command-line tools, as built by cargo.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::ports::PortBlock;
use crate::process::{Daemon, Output, run, tied};
use crate::wait::{LONG, until};
use crate::workdir::{WorkDir, target_dir};

/// Where the programs are: `LINKGATE_BIN_DIR`, or what `cargo build` leaves.
#[must_use]
pub fn bin_dir() -> PathBuf {
    std::env::var_os("LINKGATE_BIN_DIR").map_or_else(|| target_dir().join("debug"), PathBuf::from)
}

fn program(name: &str) -> PathBuf {
    let path = bin_dir().join(name);
    assert!(path.exists(), "{} is not built: cargo build --workspace --bins (make does)", path.display());
    path
}

/// A Linkgate in front of one destination cluster.
#[derive(Debug)]
pub struct Linkgate {
    process: Option<Daemon>,
    ports: PortBlock,
    config: PathBuf,
    /// Open files that the system lets it have, where not as many as this process.
    files: Option<usize>,
    // After `process`: the daemon is killed before its directory goes.
    dir: WorkDir,
}

impl Linkgate {
    /// Starts one in front of `destination` and waits until it is ready. `extra` are configs beside the harness's own.
    #[must_use]
    pub fn start(destination: &str, extra: &[(&str, &str)]) -> Linkgate {
        let mut linkgate = Linkgate::prepare(WorkDir::new("linkgate"), destination, extra);
        linkgate.launch();
        linkgate.wait_ready();
        linkgate
    }

    /// Writes its configuration into `dir`; does not start it.
    ///
    /// # Panics
    /// When the directory is not writable.
    #[must_use]
    pub fn prepare(dir: WorkDir, destination: &str, extra: &[(&str, &str)]) -> Linkgate {
        Linkgate::prepare_listening("PLAINTEXT", dir, destination, extra)
    }

    /// The same with a listener of this protocol.
    ///
    /// # Panics
    /// When the directory is not writable.
    #[must_use]
    pub fn prepare_listening(
        protocol: &str,
        dir: WorkDir,
        destination: &str,
        extra: &[(&str, &str)],
    ) -> Linkgate {
        let ports = PortBlock::claim();
        let mut text = format!(
            "bootstrap.servers={destination}\nlisteners={protocol}://127.0.0.1:{}\n\
             admin.listeners=http://127.0.0.1:{}\nstate.dir={}\n",
            ports.port(0),
            ports.port(14),
            dir.path().join("state").display()
        );
        for (key, value) in extra {
            text.push_str(&format!("{key}={value}\n"));
        }
        let config = dir.path().join("linkgate.properties");
        std::fs::write(&config, text).expect("the work directory is writable");
        Linkgate { process: None, ports, config, files: None, dir }
    }

    /// Another one in front of `destination`, with a copy of this one's state directory and ports of its own; not started. A copy
    /// that is taken while this one runs is like one after a crash.
    ///
    /// # Panics
    /// When a directory is not readable or writable.
    #[must_use]
    pub fn copy(&self, name: &str, destination: &str, extra: &[(&str, &str)]) -> Linkgate {
        let other = Linkgate::prepare(WorkDir::new(name), destination, extra);
        copy_tree(&self.dir().join("state"), &other.dir().join("state"));
        other
    }

    /// Changes a config, from the next start on.
    ///
    /// # Panics
    /// When its configuration is not there.
    pub fn configure(&self, key: &str, value: &str) {
        let mut entries = crate::properties::read(&self.config);
        entries.retain(|(name, _)| name != key);
        entries.push((key.to_owned(), value.to_owned()));
        crate::properties::write(&self.config, &entries, &[]);
    }

    /// Lets it have so many open files, from its next start on (`prlimit` of util-linux).
    pub fn limit_files(&mut self, files: usize) {
        self.files = Some(files);
    }

    /// Starts the process, unless it runs. Ports and state are those of before.
    pub fn launch(&mut self) {
        self.launch_with(&[]);
    }

    /// The same with these arguments beside its configuration.
    pub fn launch_with(&mut self, args: &[&str]) {
        if self.process.is_none() {
            let mut command = match self.files {
                None => tied(program("linkgate")),
                Some(files) => {
                    let mut command = tied("prlimit");
                    command.arg(format!("--nofile={files}:{files}")).arg(program("linkgate"));
                    command
                }
            };
            command.arg("--config").arg(&self.config).args(args);
            if std::env::var_os("RUST_LOG").is_none() {
                command.env("RUST_LOG", "info");
            }
            self.process = Some(Daemon::start("linkgate", command, self.dir.path().join("linkgate.log")));
        }
    }

    /// Waits until `/health/ready` is 200.
    ///
    /// # Panics
    /// When the daemon ends, or is not ready in time.
    pub fn wait_ready(&mut self) {
        let url = format!("{}/health/ready", self.rest_url());
        let process = self.process.as_mut().expect("the daemon was started");
        until("linkgate is ready", LONG, || {
            if let Some(status) = process.ended() {
                panic!("linkgate ended with {status}:\n{}", process.tail(25));
            }
            http_get(&url).ok().filter(|(status, _)| *status == 200).map(|_| ())
        });
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// SIGSTOP: it hangs with its connections open.
    pub fn pause(&self) {
        if let Some(process) = &self.process {
            process.signal("STOP");
        }
    }

    /// SIGCONT.
    pub fn resume(&self) {
        if let Some(process) = &self.process {
            process.signal("CONT");
        }
    }

    /// Its output's end, when it has ended by itself.
    pub fn ended(&mut self) -> Option<String> {
        let process = self.process.as_mut()?;
        let status = process.ended()?;
        Some(format!("linkgate ended with {status}:\n{}", process.tail(25)))
    }

    /// SIGTERM; the exit code.
    ///
    /// # Panics
    /// When it does not end within a minute.
    pub fn stop(&mut self) -> Option<i32> {
        self.process.take().and_then(|mut process| process.stop(Duration::from_secs(60)).code())
    }

    /// kill -9, start again, ready again.
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
        self.wait_ready();
    }

    /// Resident memory in bytes.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn resident(&self) -> usize {
        let pid = self.pid().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells it");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
    }

    /// Process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Daemon::pid)
    }

    /// What clients connect to.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports.port(0))
    }

    /// The admin listener.
    #[must_use]
    pub fn rest_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.port(14))
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Where its state, configuration and log are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// All that it logged.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.dir.path().join("linkgate.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// `kafka-cluster-links --bootstrap-server GATEWAY ARGS`
    #[must_use]
    pub fn cluster_links(&self, args: &[&str]) -> Output {
        self.tool("kafka-cluster-links", args)
    }

    /// `kafka-mirrors --bootstrap-server GATEWAY ARGS`
    #[must_use]
    pub fn mirrors(&self, args: &[&str]) -> Output {
        self.tool("kafka-mirrors", args)
    }

    /// `linkctl ARGS`
    #[must_use]
    pub fn linkctl(&self, args: &[&str]) -> Output {
        let mut command = Command::new(program("linkctl"));
        command.args(args).env("LINKGATE_REST_URL", self.rest_url());
        run(command, b"", LONG)
    }

    fn tool(&self, name: &str, args: &[&str]) -> Output {
        let mut command = Command::new(program(name));
        command.args(["--bootstrap-server", &self.bootstrap()]).args(args);
        command.env("LINKGATE_REST_URL", self.rest_url());
        run(command, b"", LONG)
    }

    /// `GET` of a path below the admin listener: status and JSON body (null when it is not JSON).
    ///
    /// # Panics
    /// When there is no answer in time.
    #[must_use]
    pub fn get(&self, path: &str) -> (u16, serde_json::Value) {
        let url = format!("{}{path}", self.rest_url());
        let (status, body) = crate::wait::until_ok(&format!("GET {url}"), LONG, || http_get(&url));
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    /// The value of a metric whose line begins with `name` (labels included), summed over its series.
    ///
    /// # Panics
    /// When there is no answer in time.
    #[must_use]
    pub fn metric(&self, name: &str) -> f64 {
        let url = format!("{}/metrics", self.rest_url());
        let (_, body) = crate::wait::until_ok("GET /metrics", LONG, || http_get(&url));
        body.lines()
            .filter(|line| line.starts_with(name))
            .filter_map(|line| line.rsplit(' ').next().and_then(|v| v.parse::<f64>().ok()))
            .sum()
    }

    /// Id of the destination cluster, as the REST API gives it.
    ///
    /// # Panics
    /// When the API does not answer.
    #[must_use]
    pub fn cluster_id(&self) -> String {
        let (status, body) = self.get("/kafka/v3/clusters");
        assert_eq!(status, 200, "GET /kafka/v3/clusters: {body}");
        body["data"][0]["cluster_id"].as_str().unwrap_or_default().to_owned()
    }

    /// A mirror topic as the REST API describes it; null when there is none.
    #[must_use]
    pub fn mirror(&self, link: &str, topic: &str) -> serde_json::Value {
        let (status, body) =
            self.get(&format!("/kafka/v3/clusters/{}/links/{link}/mirrors/{topic}", self.cluster_id()));
        if status == 200 { body } else { serde_json::Value::Null }
    }

    /// `mirror_status` of a mirror topic; empty when there is none.
    #[must_use]
    pub fn status(&self, link: &str, topic: &str) -> String {
        self.mirror(link, topic)["mirror_status"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a mirror topic has the status.
    ///
    /// # Panics
    /// When it does not get it in time.
    pub fn wait_status(&self, link: &str, topic: &str, status: &str) {
        let mut last = serde_json::Value::Null;
        let reached = until_or_none(LONG, || {
            last = self.mirror(link, topic);
            (last["mirror_status"] == status).then_some(())
        });
        assert!(reached.is_some(), "{topic} is not {status} but {last:#}");
    }
}

/// Copies a directory with the modes of its files and directories.
fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the work directory is writable");
    let modes = std::fs::metadata(from).expect("the directory is there").permissions();
    std::fs::set_permissions(to, modes).expect("the work directory is writable");
    for entry in std::fs::read_dir(from).expect("the directory is readable").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            let _ = std::fs::copy(entry.path(), target).expect("the work directory is writable");
        }
    }
}

fn until_or_none<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let begin = std::time::Instant::now();
    while begin.elapsed() < limit {
        if let Some(value) = probe() {
            return Some(value);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

/// `GET url`: status and body, whatever the status.
///
/// # Errors
/// When there is no answer.
pub fn http_get(url: &str) -> Result<(u16, String), Box<ureq::Error>> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(20)))
        .build()
        .into();
    let mut answer = agent.get(url).call().map_err(Box::new)?;
    let status = answer.status().as_u16();
    Ok((status, answer.body_mut().read_to_string().map_err(Box::new)?))
}

/// `PUT url` with a JSON body: the status, whatever it is.
///
/// # Errors
/// When there is no answer within five seconds.
pub fn http_put_json(url: &str, body: &serde_json::Value) -> Result<u16, Box<ureq::Error>> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)))
        .build()
        .into();
    Ok(agent.put(url).send_json(body).map_err(Box::new)?.status().as_u16())
}
