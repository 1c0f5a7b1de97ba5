//! The structure that docs/DESIGN.md promises: modules import one way, files stay small, and the paths in the documents exist.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test, which reads the source"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use state::model::link_config::{FetchLimits, LinkConfig, OffsetSyncConfig, TopicConfigSyncConfig};
use syn::visit::Visit;

type Module = Vec<String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

/// The modules of a crate whose source is `src`, without tests.
struct Crate {
    modules: BTreeMap<Module, syn::File>,
    /// Path of a re-export, and the path that it stands for.
    reexports: BTreeMap<Module, Module>,
}

impl Crate {
    fn read(src: &Path) -> Crate {
        let mut modules = BTreeMap::new();
        for file in files(src, "rs") {
            let relative = file.strip_prefix(src).unwrap().with_extension("");
            let mut module: Module = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
                drop(module.pop());
            }
            let is_test =
                |part: &String| matches!(part.as_str(), "tests" | "test_support" | "testing" | "main");
            if !module.iter().any(is_test) {
                let text = fs::read_to_string(&file).unwrap();
                let parsed =
                    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
                drop(modules.insert(module, parsed));
            }
        }
        let mut reexports = BTreeMap::new();
        for (module, file) in &modules {
            for item in &file.items {
                if let syn::Item::Use(item) = item
                    && !matches!(item.vis, syn::Visibility::Inherited)
                {
                    for leaf in leaves(&item.tree) {
                        let mut from = module.clone();
                        from.extend(leaf.last().cloned());
                        if let Some(to) = absolute(module, &leaf) {
                            drop(reexports.insert(from, to));
                        }
                    }
                }
            }
        }
        Crate { modules, reexports }
    }

    /// The module that defines the item of an absolute path.
    fn definer(&self, path: &[String]) -> Option<Module> {
        let mut path = path.to_vec();
        for _ in 0..8 {
            let through = (1..=path.len()).rev().find_map(|n| Some((n, self.reexports.get(&path[..n])?)));
            let Some((n, target)) = through else { break };
            path = target.iter().chain(&path[n..]).cloned().collect();
        }
        (0..=path.len()).rev().map(|n| path[..n].to_vec()).find(|prefix| self.modules.contains_key(prefix))
    }

    /// For each folder, which of its entries import which others, and an example.
    fn imports(&self) -> BTreeMap<Module, BTreeMap<String, BTreeMap<String, String>>> {
        let mut folders: BTreeMap<Module, BTreeMap<String, BTreeMap<String, String>>> = BTreeMap::new();
        for (module, file) in &self.modules {
            let mut paths = Paths::default();
            paths.visit_file(file);
            for path in paths.0 {
                let Some(absolute) = absolute(module, &path) else { continue };
                let Some(definer) = self.definer(&absolute) else { continue };
                let shared = module.iter().zip(&definer).take_while(|(a, b)| a == b).count();
                // A module and its own parent belong together.
                if let (Some(from), Some(to)) = (module.get(shared), definer.get(shared)) {
                    let example = format!("{} uses {}", module.join("::"), absolute.join("::"));
                    let importer = folders.entry(module[..shared].to_vec()).or_default();
                    drop(importer.entry(from.clone()).or_default().insert(to.clone(), example));
                }
            }
        }
        folders
    }
}

/// Collects the paths of a file, but for re-exports and modules inside of it.
#[derive(Default)]
struct Paths(Vec<Module>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if matches!(item.vis, syn::Visibility::Inherited) {
            self.0.extend(leaves(&item.tree));
        }
    }

    /// Modules inside of a file are tests, or have paths of their own.
    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }
}

fn leaves(tree: &syn::UseTree) -> Vec<Module> {
    let below = |name: String, trees: Vec<Module>| {
        trees.into_iter().map(|rest| std::iter::once(name.clone()).chain(rest).collect()).collect()
    };
    match tree {
        syn::UseTree::Path(path) => below(path.ident.to_string(), leaves(&path.tree)),
        syn::UseTree::Name(name) if name.ident == "self" => vec![Vec::new()],
        syn::UseTree::Name(name) => vec![vec![name.ident.to_string()]],
        syn::UseTree::Rename(rename) => vec![vec![rename.ident.to_string()]],
        syn::UseTree::Glob(_) => vec![Vec::new()],
        syn::UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
    }
}

fn absolute(module: &[String], path: &[String]) -> Option<Module> {
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some(module.iter().chain(&path[1..]).cloned().collect()),
        "super" => {
            let up = path.iter().take_while(|part| *part == "super").count();
            let parent = module.get(..module.len().checked_sub(up)?)?;
            Some(parent.iter().chain(&path[up..]).cloned().collect())
        }
        _ => None,
    }
}

/// A circle in a graph, if there is one.
fn circle(graph: &BTreeMap<String, BTreeMap<String, String>>) -> Option<Vec<String>> {
    fn walk(
        graph: &BTreeMap<String, BTreeMap<String, String>>,
        at: &str,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(begin) = way.iter().position(|before| before == at) {
            return Some(way[begin..].to_vec());
        }
        if done.contains(at) {
            return None;
        }
        way.push(at.to_owned());
        for next in graph.get(at).into_iter().flatten() {
            if let Some(found) = walk(graph, next.0, way, done) {
                return Some(found);
            }
        }
        drop(way.pop());
        let _ = done.insert(at.to_owned());
        None
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|start| walk(graph, start, &mut Vec::new(), &mut done))
}

#[test]
fn no_modules_of_a_folder_import_each_other_in_a_circle() {
    let mut circles = Vec::new();
    for src in ["proxy/src", "state/src", "linkctl/src"] {
        for (folder, imports) in Crate::read(&root().join(src)).imports() {
            if let Some(circle) = circle(&imports) {
                let next = circle.iter().cycle().skip(1);
                let edges: Vec<&str> =
                    circle.iter().zip(next).map(|(from, to)| imports[from][to].as_str()).collect();
                circles.push(format!("{src}/{}: {circle:?}: {}", folder.join("/"), edges.join(", ")));
            }
        }
    }
    assert!(circles.is_empty(), "these modules import each other:\n{}", circles.join("\n"));
}

#[test]
fn the_gateway_and_the_engine_do_not_import_each_other() {
    let top = Crate::read(&root().join("proxy/src")).imports().remove(&Module::new()).unwrap();
    assert_eq!(top["gateway"].get("mirror"), None);
    assert_eq!(top["mirror"].get("gateway"), None);
    assert_eq!(top.get("wire"), None, "wire imports nothing");
}

#[test]
fn paths_in_the_documents_exist() {
    let root = root();
    let mut documents = files(&root.join("docs"), "md");
    documents.push(root.join("README.md"));
    let bases = [
        "",
        "proxy/src",
        "tests/tests",
        "proxy/src/gateway",
        "proxy/src/mirror",
        "proxy/src/mirror/replication",
    ];
    let mut missing = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for quoted in text.split('`').skip(1).step_by(2) {
            // `file.rs: name` is a function, a type or a constant of that file.
            let (quoted, name) = quoted
                .split_once(".rs: ")
                .map_or((quoted.to_owned(), None), |(file, name)| (format!("{file}.rs"), Some(name)));
            let quoted = quoted.as_str();
            let is_path = quoted.ends_with(".rs")
                || (quoted.ends_with('/') && quoted.trim_end_matches('/').contains('/'));
            let is_plain = quoted.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            if !is_path || !is_plain || quoted.starts_with('/') || quoted.starts_with('.') {
                continue;
            }
            let found = bases.iter().map(|base| root.join(base).join(quoted)).find(|path| path.exists());
            if found.is_none_or(|path| name.is_some_and(|name| !defines(&path, name))) {
                missing.push(format!(
                    "{}: {quoted} {}",
                    document.strip_prefix(&root).unwrap().display(),
                    name.unwrap_or_default()
                ));
            }
        }
    }
    assert!(missing.is_empty(), "these paths do not exist:\n{}", missing.join("\n"));
}

/// Tells whether the file defines a function, type or constant of that name.
fn defines(path: &Path, name: &str) -> bool {
    let text = fs::read_to_string(path).unwrap();
    ["fn", "struct", "enum", "trait", "const", "static"].iter().any(|kind| {
        let item = format!("{kind} {name}");
        text.match_indices(&item).any(|(at, _)| {
            !text[at + item.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        })
    })
}

#[test]
fn no_source_file_has_more_than_400_lines() {
    let root = root();
    let mut long = Vec::new();
    for dir in ["proxy/src", "state/src", "linkctl/src", "tests/src", "tests/tests", "bench/src"] {
        for file in files(&root.join(dir), "rs") {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            if lines > 400 {
                long.push(format!("{} has {lines} lines", file.strip_prefix(&root).unwrap().display()));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// Names a place that reads each typed config of a link. A new field does not compile here until its reader is named.
#[test]
fn every_link_config_has_a_reader() {
    const CLUSTERS: &str = "mirror/clusters.rs";
    const RUNNER: &str = "mirror/engine/link_runner/mod.rs";
    const OFFSETS: &str = "mirror/sync/offsets/mod.rs";
    const CONFIGS: &str = "mirror/sync/configs/mod.rs";
    const PROBE: &str = "mirror/sync/link_probe.rs";
    let LinkConfig {
        bootstrap_servers: _,
        prefix: _,
        paused: _,
        retry_timeout: _,
        availability_check: _,
        availability_failures: _,
        offset_sync: OffsetSyncConfig { enabled: _, period: _, filters: _, prefix_groups: _ },
        topic_config_sync: TopicConfigSyncConfig { period: _, include: _ },
        start_offset: _,
        fetch:
            FetchLimits {
                partition_bytes: _,
                response_bytes: _,
                min_bytes: _,
                max_wait: _,
                backoff: _,
                timeout: _,
                receive_buffer: _,
                connections: _,
            },
        metadata_max_age: _,
        retry_backoff: _,
        request_timeout: _,
        api_timeout: _,
        security: _,
        connections_max_idle: _,
        connection_setup_timeout: _,
        connection_setup_timeout_max: _,
    } = LinkConfig::defaults();
    let readers = [
        ("bootstrap_servers", CLUSTERS),
        ("prefix", OFFSETS),
        ("paused", PROBE),
        ("retry_timeout", RUNNER),
        ("availability_check", PROBE),
        ("availability_failures", PROBE),
        ("offset_sync.enabled", OFFSETS),
        ("offset_sync.period", OFFSETS),
        ("offset_sync.filters", OFFSETS),
        ("offset_sync.prefix_groups", OFFSETS),
        ("topic_config_sync.period", CONFIGS),
        ("topic_config_sync.include", CONFIGS),
        ("start_offset", "mirror/command/prepare_mirror.rs"),
        ("fetch.partition_bytes", RUNNER),
        ("fetch.response_bytes", RUNNER),
        ("fetch.min_bytes", RUNNER),
        ("fetch.max_wait", RUNNER),
        ("fetch.backoff", RUNNER),
        ("fetch.timeout", RUNNER),
        ("fetch.receive_buffer", CLUSTERS),
        ("metadata_max_age", RUNNER),
        ("retry_backoff", CLUSTERS),
        ("request_timeout", CLUSTERS),
        ("api_timeout", CLUSTERS),
        ("security", CLUSTERS),
        ("connections_max_idle", CLUSTERS),
        ("connection_setup_timeout", CLUSTERS),
        ("connection_setup_timeout_max", CLUSTERS),
    ];
    for (field, file) in readers {
        let text = fs::read_to_string(root().join("proxy/src").join(file)).unwrap();
        let read = Regex::new(&format!(r"config\.{}\b", field.replace('.', r"\."))).unwrap();
        assert!(read.is_match(&text), "{file} does not read config.{field}");
    }
}
