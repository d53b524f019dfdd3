//! `.railway/railway.ts`, as Railway's own package understands it: its types check it, it is run, and the graph it makes is
//! read. All of it works without an account. Without node or the package the tests say so and are skipped, unless
//! `FRONTDESK_TEST_ALL` is `1`; `npm install --prefix target/ci-node railway typescript` brings the package.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use frontdesk::config::Platform;
use frontdesk::http::paths;
use serde::Deserialize;
use tempfile::TempDir;

use super::{is_known, is_secret, port, the_program_is_content};
use crate::tree;

/// Runs the compiled file and prints its graph, with what the package finds wrong in it.
const GRAPH: &str = include_str!("graph.mjs");

/// The types are read as strictly as they can be: a key that is not there would be ignored, or refused, on Railway.
const COMPILED: [&str; 6] = ["--strict", "--module", "nodenext", "--target", "es2022", "railway.ts"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judged {
    graph: Graph,
    wrong: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Graph {
    #[serde(rename = "version")]
    _version: u32,
    project: Named,
    #[serde(rename = "environments")]
    _environments: Vec<Named>,
    resources: Vec<Service>,
    edges: Vec<()>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    address: String,
    r#type: String,
    kind: String,
    name: String,
    source: Source,
    build: Build,
    deploy: Deploy,
    variables: BTreeMap<String, Variable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    r#type: String,
    repo: String,
    branch: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Build {
    builder: String,
    dockerfile_path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Deploy {
    healthcheck_path: String,
    healthcheck_timeout: u32,
    sleep_application: bool,
    restart_policy_type: String,
    restart_policy_max_retries: u32,
    overlap_seconds: u32,
    draining_seconds: u32,
    num_replicas: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "type")]
enum Variable {
    Literal { value: String },
    Preserve {},
}

#[test]
fn railway_keeps_calls_through_a_deploy_and_never_sleeps() {
    let Some(desk) = Desk::set_up() else { return };
    let compiled = desk.types(&tree::read(".railway/railway.ts"), true);
    assert!(compiled.status.success(), "{}", said(&compiled));
    let Judged { graph, wrong } = desk.graph();
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(graph.project.name, "frontdesk");
    assert!(graph.edges.is_empty());

    let [service] = &graph.resources[..] else { panic!("one service") };
    assert_eq!((service.r#type.as_str(), service.kind.as_str()), ("service", "github"));
    assert_eq!((service.address.as_str(), service.name.as_str()), ("service.frontdesk", "frontdesk"));
    assert_eq!((service.source.r#type.as_str(), service.source.branch.as_str()), ("github", "main"));
    assert_eq!(service.source.repo, "OWNER/REPO", "nobody's in particular");
    assert_eq!(
        (service.build.builder.as_str(), service.build.dockerfile_path.as_str()),
        ("DOCKERFILE", "Dockerfile")
    );
    let deploy = &service.deploy;
    assert_eq!(deploy.healthcheck_path, paths::READY, "asked only until a deploy is there");
    assert!((30..=300).contains(&deploy.healthcheck_timeout));
    assert!(!deploy.sleep_application);
    assert_eq!((deploy.restart_policy_type.as_str(), deploy.restart_policy_max_retries), ("ON_FAILURE", 10));
    assert!(deploy.overlap_seconds >= 1 && deploy.num_replicas == 1);
    assert!(deploy.draining_seconds >= 300, "the default is 0");

    let mut values = BTreeMap::new();
    for (name, variable) in &service.variables {
        assert!(is_known(name), "{name} is nothing we read");
        match variable {
            Variable::Literal { value } => {
                assert!(!is_secret(name), "{name} is a secret");
                values.insert(name.clone(), value.clone());
            }
            Variable::Preserve {} => {}
        }
    }
    for needed in super::NEEDED {
        assert!(matches!(service.variables.get(needed), Some(Variable::Preserve {})), "{needed} is needed");
    }
    assert_eq!(values["PORT"], port().to_string());
    assert_eq!(values["RAILWAY_DEPLOYMENT_DRAINING_SECONDS"], deploy.draining_seconds.to_string());
    let own =
        [("RAILWAY_PROJECT_ID", "0f3c"), ("RAILWAY_PUBLIC_DOMAIN", "frontdesk-production.up.railway.app")];
    the_program_is_content(Platform::Railway, &values, &own, deploy.draining_seconds);
}

#[test]
fn a_misspelled_key_of_railways_is_found() {
    let Some(desk) = Desk::set_up() else { return };
    for (right, wrong) in [("drainingSeconds:", "drainingSecond:"), ("\"ON_FAILURE\"", "\"SOMETIMES\"")] {
        let text = tree::read(".railway/railway.ts");
        assert!(text.contains(right));
        let compiled = desk.types(&text.replace(right, wrong), false);
        assert!(!compiled.status.success(), "{wrong} was taken");
    }
}

/// A folder in which railway.ts finds Railway's package.
struct Desk(TempDir);

impl Desk {
    /// None, and a line why, when something it takes is not there.
    fn set_up() -> Option<Self> {
        let packages = tree::top().join("target/ci-node/node_modules");
        let node = Command::new("node").arg("--version").output();
        let missing = match node {
            Ok(node) if !node.status.success() => Some(said(&node)),
            Err(error) => Some(format!("node cannot be run: {error}")),
            Ok(_) => ["railway", "typescript"].iter().find_map(|name| is_missing(&packages, name)),
        };
        if let Some(missing) = missing {
            super::skip(&missing);
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        symlink(packages, folder.path().join("node_modules")).unwrap();
        // The file is a module, as in Railway's own examples.
        fs::write(folder.path().join("package.json"), r#"{"type":"module"}"#).unwrap();
        Some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Checks the types, and keeps what is compiled when it is wanted.
    fn types(&self, text: &str, keep: bool) -> Output {
        fs::write(self.path().join("railway.ts"), text).unwrap();
        let mut node = Command::new("node");
        node.current_dir(self.path()).arg("node_modules/typescript/bin/tsc").args(COMPILED);
        if !keep {
            node.arg("--noEmit");
        }
        node.output().unwrap()
    }

    /// Runs what was compiled.
    fn graph(&self) -> Judged {
        fs::write(self.path().join("graph.mjs"), GRAPH).unwrap();
        let run = Command::new("node").current_dir(self.path()).arg("graph.mjs").output().unwrap();
        assert!(run.status.success(), "{}", said(&run));
        serde_json::from_slice(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&run)))
    }
}

fn is_missing(packages: &Path, name: &str) -> Option<String> {
    (!packages.join(name).exists()).then(|| format!("npm's package {name} is not in target/ci-node"))
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}
