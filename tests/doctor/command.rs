//! The command itself: what it prints, what it exits with.

use std::process::{Command, Output};

use frontdesk::http::paths;
use serde_json::Value;

use crate::certificates::Authority;
use crate::deployment::{ADMIN_TOKEN, address, built, free_port, server};
use crate::front::{Gate, pass, say};
use crate::head::Reply;
use crate::house::{AUTH_TOKEN, LINE};

/// Asks it about a line of ours.
async fn doctor(arguments: &[&str]) -> Output {
    asked(&[arguments, &["--to", LINE]].concat()).await
}

/// Runs it with the tokens of the deployment and nothing else around it.
async fn asked(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
    command.arg("doctor").args(arguments).env_clear().current_dir(folder.path());
    command.env("TWILIO_AUTH_TOKEN", AUTH_TOKEN).env("ADMIN_TOKEN", ADMIN_TOKEN);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_with_which_nothing_is_wrong_exits_with_0_and_says_what_is_proven() {
    let root = Authority::root("a root");
    let gate = Gate::secure(root.issue(&["voice.example.com"]).server(&["h2", "http/1.1"])).await;
    let url = format!("https://voice.example.com:{}", gate.address().port());
    let house = server(&url).await;
    let server = address(&house);
    let _front = gate.open(move |_| pass(server));
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, root.pem()).unwrap();
    let output =
        doctor(&[&url, "--ca", ca.to_str().unwrap(), "--resolve", "voice.example.com=127.0.0.1"]).await;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for words in ["a call would connect", "5 of 5 handshakes", "a whole call was carried"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_exits_with_2_and_is_one_document_of_json() {
    let gate = Gate::plain().await;
    let url = gate.url();
    let house = server(&url).await;
    let server = address(&house);
    let _front = gate.open(move |request| {
        let moved = Reply::new(308, "").with("location", "https://www.example.com/twilio-media");
        if request.is(paths::MEDIA) { say(moved) } else { pass(server) }
    });
    let output = doctor(&[&url, "--json"]).await;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let fault = &document["verdict"]["fault"];
    assert_eq!(fault["row"], "C3", "{fault}");
    assert!(fault["evidence"][0].as_str().unwrap().contains("www.example.com"), "{fault}");
    assert!(fault["fix"].as_str().is_some_and(|fix| !fix.is_empty()));
    assert!(document["steps"].as_array().unwrap().len() > 5 && document["facts"].is_object());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_is_said_to_people_with_its_row_what_twilio_shows_and_what_to_do() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let output = doctor(&[&url]).await;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for words in ["B2", "refuses connections", "31902", "start the service"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_as_it_should_be_exits_with_1_and_what_cannot_be_seen_with_3() {
    let gate = Gate::plain().await;
    let url = gate.url();
    let house = server(&url).await;
    let server = address(&house);
    let _front =
        gate.open(move |request| pass(server).late(if request.is(paths::VOICE) { 3_200 } else { 0 }));
    let silent = built(&[]).await;
    let (slow, nobodys) = ([url.as_str()], [silent.base.as_str(), "--to", "+15550009999"]);
    let (slow, unclear) = tokio::join!(doctor(&slow), asked(&nobodys));
    assert_eq!(slow.status.code(), Some(1), "{}", said(&slow));
    assert!(said(&slow).contains("A11"), "{}", said(&slow));
    assert_eq!(unclear.status.code(), Some(3), "{}", said(&unclear));
}
