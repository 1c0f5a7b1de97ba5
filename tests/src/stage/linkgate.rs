//! Runs the daemon and its command-line tools, as built by cargo.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::machine::ports::PortBlock;
use crate::machine::process::{Daemon, Output, run, tied};
use crate::machine::wait::{LONG, until};
use crate::machine::workdir::{WorkDir, target_dir};

/// Returns the directory of the programs: `LINKGATE_BIN_DIR`, or the output of `cargo build`.
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
    /// Limit on open files of the daemon, if it differs from the limit of this process.
    files: Option<usize>,
    // Drops after `process`: the daemon must be killed before its directory is removed.
    dir: WorkDir,
}

impl Linkgate {
    /// Starts Linkgate in front of `destination` and waits until it is ready. `extra` are configs in addition
    /// to the harness's own.
    #[must_use]
    pub fn start(destination: &str, extra: &[(&str, &str)]) -> Linkgate {
        let mut linkgate = Linkgate::prepare(WorkDir::new("linkgate"), destination, extra);
        linkgate.launch();
        linkgate.wait_ready();
        linkgate
    }

    /// Writes the configuration into `dir`, and does not start the daemon.
    ///
    /// # Panics
    /// Panics if the directory is not writable.
    #[must_use]
    pub fn prepare(dir: WorkDir, destination: &str, extra: &[(&str, &str)]) -> Linkgate {
        Linkgate::prepare_listening("PLAINTEXT", dir, destination, extra)
    }

    /// Writes the configuration like [`Linkgate::prepare`], with a listener of the given protocol.
    ///
    /// # Panics
    /// Panics if the directory is not writable.
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

    /// Prepares another Linkgate in front of `destination`, with a copy of this one's state directory and its
    /// own ports. Does not start it. A copy taken while this one runs is like the state after a crash.
    ///
    /// # Panics
    /// Panics if a directory cannot be read or written.
    #[must_use]
    pub fn copy(&self, name: &str, destination: &str, extra: &[(&str, &str)]) -> Linkgate {
        let other = Linkgate::prepare(WorkDir::new(name), destination, extra);
        copy_tree(&self.dir().join("state"), &other.dir().join("state"));
        other
    }

    /// Changes a config. It takes effect at the next start.
    ///
    /// # Panics
    /// Panics if the configuration file does not exist.
    pub fn configure(&self, key: &str, value: &str) {
        let mut entries = crate::machine::properties::read(&self.config);
        entries.retain(|(name, _)| name != key);
        entries.push((key.to_owned(), value.to_owned()));
        crate::machine::properties::write(&self.config, &entries, &[]);
    }

    /// Limits the open files of the daemon from its next start on (`prlimit` of util-linux).
    pub fn limit_files(&mut self, files: usize) {
        self.files = Some(files);
    }

    /// Starts the daemon, unless it runs. It keeps its ports and its state.
    pub fn launch(&mut self) {
        self.launch_with(&[]);
    }

    /// Starts the daemon, unless it runs, with additional arguments.
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

    /// Waits until `/health/ready` answers 200.
    ///
    /// # Panics
    /// Panics if the daemon ends, or is not ready in time.
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

    /// Kills the daemon (kill -9).
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Stops the process with SIGSTOP: it hangs with its connections open.
    pub fn pause(&self) {
        if let Some(process) = &self.process {
            process.signal("STOP");
        }
    }

    /// Resumes the process with SIGCONT.
    pub fn resume(&self) {
        if let Some(process) = &self.process {
            process.signal("CONT");
        }
    }

    /// Returns the end of the daemon's output if it has ended by itself.
    pub fn ended(&mut self) -> Option<String> {
        let process = self.process.as_mut()?;
        let status = process.ended()?;
        Some(format!("linkgate ended with {status}:\n{}", process.tail(25)))
    }

    /// Ends the daemon with SIGTERM. Returns the exit code.
    ///
    /// # Panics
    /// Panics if it does not end within a minute.
    pub fn stop(&mut self) -> Option<i32> {
        self.process.take().and_then(|mut process| process.stop(Duration::from_secs(60)).code())
    }

    /// Kills the daemon (kill -9), starts it again and waits until it is ready.
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
        self.wait_ready();
    }

    /// Returns the resident memory of the daemon, in bytes.
    ///
    /// # Panics
    /// Panics if it does not run.
    #[must_use]
    pub fn resident(&self) -> usize {
        let pid = self.pid().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells it");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
    }

    /// Returns the process id while the daemon runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Daemon::pid)
    }

    /// Returns the bootstrap address for Kafka clients.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports.port(0))
    }

    /// Returns the URL of the admin listener.
    #[must_use]
    pub fn rest_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.port(14))
    }

    /// Returns the path of the configuration file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Returns the directory with state, configuration and log.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Returns everything that the daemon has logged.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.dir.path().join("linkgate.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Runs `kafka-cluster-links --bootstrap-server GATEWAY ARGS`.
    #[must_use]
    pub fn cluster_links(&self, args: &[&str]) -> Output {
        self.tool("kafka-cluster-links", args)
    }

    /// Runs `kafka-mirrors --bootstrap-server GATEWAY ARGS`.
    #[must_use]
    pub fn mirrors(&self, args: &[&str]) -> Output {
        self.tool("kafka-mirrors", args)
    }

    /// Runs `linkctl ARGS`.
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

    /// Sends `GET` for a path of the admin listener. Returns the status and the JSON body (null if it is not
    /// JSON).
    ///
    /// # Panics
    /// Panics if there is no answer in time.
    #[must_use]
    pub fn get(&self, path: &str) -> (u16, serde_json::Value) {
        let url = format!("{}{path}", self.rest_url());
        let (status, body) = crate::machine::wait::until_ok(&format!("GET {url}"), LONG, || http_get(&url));
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    /// Returns the value of a metric, summed over the lines that begin with `name` (it may include labels).
    ///
    /// # Panics
    /// Panics if there is no answer in time.
    #[must_use]
    pub fn metric(&self, name: &str) -> f64 {
        let url = format!("{}/metrics", self.rest_url());
        let (_, body) = crate::machine::wait::until_ok("GET /metrics", LONG, || http_get(&url));
        body.lines()
            .filter(|line| line.starts_with(name))
            .filter_map(|line| line.rsplit(' ').next().and_then(|v| v.parse::<f64>().ok()))
            .sum()
    }

    /// Returns the id of the destination cluster from the REST API.
    ///
    /// # Panics
    /// Panics if the API does not answer.
    #[must_use]
    pub fn cluster_id(&self) -> String {
        let (status, body) = self.get("/kafka/v3/clusters");
        assert_eq!(status, 200, "GET /kafka/v3/clusters: {body}");
        body["data"][0]["cluster_id"].as_str().unwrap_or_default().to_owned()
    }

    /// Returns a mirror topic from the REST API; null if there is none.
    #[must_use]
    pub fn mirror(&self, link: &str, topic: &str) -> serde_json::Value {
        let (status, body) =
            self.get(&format!("/kafka/v3/clusters/{}/links/{link}/mirrors/{topic}", self.cluster_id()));
        if status == 200 { body } else { serde_json::Value::Null }
    }

    /// Returns the `mirror_status` of a mirror topic; empty if there is none.
    #[must_use]
    pub fn status(&self, link: &str, topic: &str) -> String {
        self.mirror(link, topic)["mirror_status"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a mirror topic has the given status.
    ///
    /// # Panics
    /// Panics if it does not get it in time.
    pub fn wait_status(&self, link: &str, topic: &str, status: &str) {
        let mut last = serde_json::Value::Null;
        let reached = until_or_none(LONG, || {
            last = self.mirror(link, topic);
            (last["mirror_status"] == status).then_some(())
        });
        assert!(reached.is_some(), "{topic} is not {status} but {last:#}");
    }
}

/// Copies a directory with its permissions.
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

/// Sends `GET url`. Returns status and body for every status.
///
/// # Errors
/// Fails if there is no answer within 20 s.
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

/// Sends `PUT url` with a JSON body. Returns the status for every status.
///
/// # Errors
/// Fails if there is no answer within 5 s.
pub fn http_put_json(url: &str, body: &serde_json::Value) -> Result<u16, Box<ureq::Error>> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)))
        .build()
        .into();
    Ok(agent.put(url).send_json(body).map_err(Box::new)?.status().as_u16())
}
