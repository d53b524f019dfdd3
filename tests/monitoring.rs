//! The real Prometheus scrapes what we tell, knows every figure that dashboard and alerts ask for, and takes both. It comes
//! with most distributions; without it this says so and is skipped, unless `FRONTDESK_TEST_ALL` is `1`.

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::TcpListener as Reserved;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};
    use std::sync::Arc;
    use std::time::Duration;

    use axum::Router;
    use axum::http::header::CONTENT_TYPE;
    use axum::routing::get;
    use frontdesk::lifecycle::Tasks;
    use frontdesk::telemetry::metrics::{self, Ended, Metrics, Named, Request, Tokens};
    use serde_json::Value;
    use tokio::net::TcpListener;

    /// Prometheus is up within seconds, and scrapes every one of them.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[expect(clippy::disallowed_methods, reason = "whoever runs the tests says what must be here")]
    fn all_is_wanted() -> bool {
        std::env::var("FRONTDESK_TEST_ALL").is_ok_and(|all| all == "1")
    }

    fn is_here(program: &str) -> bool {
        let is_here = Command::new(program).arg("--version").output().is_ok_and(|it| it.status.success());
        assert!(is_here || !all_is_wanted(), "{program} is not here");
        if !is_here {
            println!("skipped: {program} is not here; it comes with the package `prometheus`");
        }
        is_here
    }

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/monitoring").join(name)
    }

    /// Figures of a house in which everything has happened once.
    fn lived() -> Metrics {
        let lived = Metrics::new("i-1");
        lived.calls_in_flight.set(2);
        lived.calls_begun.inc();
        lived.models_lost.inc();
        lived.padded.inc_by(0.02);
        for family in [
            &lived.calls_ended,
            &lived.bridged,
            &lived.model_dials,
            &lived.model_refusals,
            &lived.oddities,
            &lived.upgrades,
            &lived.notices,
            &lived.findings,
            &lived.queues_full,
        ] {
            family.get_or_create(&Named::of("once")).inc();
        }
        lived.queued.get_or_create(&Named::of("once")).inc();
        lived.rate_limit_left.get_or_create(&Named::of("requests")).set(900);
        lived.tokens.get_or_create(&Tokens { direction: "input", modality: "audio" }).inc_by(70);
        lived.tools.get_or_create(&Ended { kind: "end_call", outcome: "done" }).observe(0.1);
        let request = Request { route: "/twilio-voice".to_owned(), status: 200 };
        lived.requests.get_or_create(&request).observe(0.01);
        for time in [
            &lived.call_lasted,
            &lived.answer_delay,
            &lived.greeting_delay,
            &lived.barge_in_delay,
            &lived.barge_in_unheard,
            &lived.model_connect,
        ] {
            time.observe(0.4);
        }
        lived
    }

    /// Everything a document asks of Prometheus, with Grafana's own variables filled in.
    fn questions() -> Vec<String> {
        fn gather(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(question)) = map.get("expr") {
                        found.push(question.replace("$__rate_interval", "1m").replace("$job", ".*"));
                    }
                    map.values().for_each(|value| gather(value, found));
                }
                Value::Array(list) => list.iter().for_each(|value| gather(value, found)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let read = |name: &str| std::fs::read_to_string(fixture(name)).unwrap();
        let mut found = Vec::new();
        gather(&serde_json::from_str(&read("grafana.json")).unwrap(), &mut found);
        gather(&serde_yaml_ng::from_str(&read("alerts.yaml")).unwrap(), &mut found);
        found
    }

    fn figures_in(question: &str) -> Vec<&str> {
        let words = question.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        words.filter(|word| word.starts_with("frontdesk_")).collect()
    }

    #[test]
    fn every_figure_that_dashboard_and_alerts_ask_for_is_told() {
        let text = lived().text();
        let told: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.split(['{', ' ']).next())
            .filter(|name| *name != "#")
            .collect();
        let questions = questions();
        assert!(questions.len() > 30, "{}", questions.len());
        for question in &questions {
            for figure in figures_in(question) {
                assert!(told.contains(figure), "{figure} of {question}");
            }
        }
    }

    #[test]
    fn each_alert_rings_when_it_should_and_none_on_a_good_day() {
        if !is_here("promtool") {
            return;
        }
        let judged =
            Command::new("promtool").args(["test", "rules"]).arg(fixture("alerts_test.yaml")).output();
        let judged = judged.unwrap();
        let words = String::from_utf8_lossy(&[judged.stdout, judged.stderr].concat()).into_owned();
        assert!(judged.status.success(), "{words}");
    }

    /// Ends with the test.
    struct Prometheus {
        child: Child,
        url: String,
        _folder: tempfile::TempDir,
    }

    impl Drop for Prometheus {
        fn drop(&mut self) {
            // It may have ended by itself; then there is nothing to end.
            let _gone = self.child.kill().and_then(|()| self.child.wait());
        }
    }

    impl Prometheus {
        fn start(scraped: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let port = Reserved::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let config = folder.path().join("prometheus.yaml");
            let alerts = fixture("alerts.yaml");
            let text = format!(
                "global: {{scrape_interval: 1s}}\nrule_files: [{alerts:?}]\nscrape_configs:\n  - job_name: frontdesk\n    \
                 static_configs: [{{targets: [{scraped:?}]}}]\n"
            );
            std::fs::write(&config, text).unwrap();
            let child = Command::new("prometheus")
                .arg(format!("--config.file={}", config.display()))
                .arg(format!("--storage.tsdb.path={}", folder.path().join("kept").display()))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            Self { child, url: format!("http://127.0.0.1:{port}"), _folder: folder }
        }

        async fn ask(&self, path: &str, question: &[(&str, &str)]) -> Option<Value> {
            let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.url), question).unwrap();
            reqwest::get(url).await.ok()?.json().await.ok()
        }
    }

    async fn serve(told: Arc<Metrics>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let tell = get(move || async move { ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], told.text()) });
        let serve = axum::serve(listener, Router::new().route("/metrics", tell));
        Tasks::new().spawn_background("metrics", async move {
            let _ended = serve.await;
        });
        address
    }

    #[tokio::test]
    async fn the_real_prometheus_scrapes_every_figure_and_answers_every_question() {
        if !is_here("prometheus") {
            return;
        }
        let prometheus = Prometheus::start(&serve(Arc::new(lived())).await);
        let scraped = async {
            loop {
                let up = prometheus.ask("/api/v1/query", &[("query", "count_over_time(up[1m]) > 2")]).await;
                if up.is_some_and(|up| up["data"]["result"].as_array().is_some_and(|it| !it.is_empty())) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(PATIENCE, scraped).await.expect("Prometheus did not scrape us");
        let targets = prometheus.ask("/api/v1/targets", &[]).await.unwrap();
        let target = &targets["data"]["activeTargets"][0];
        assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()));
        let names = prometheus.ask("/api/v1/label/__name__/values", &[]).await.unwrap();
        let known: BTreeSet<&str> =
            names["data"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        for question in questions() {
            let answer = prometheus.ask("/api/v1/query", &[("query", &question)]).await.unwrap();
            assert_eq!(answer["status"], "success", "{question}: {answer}");
            for figure in figures_in(&question) {
                assert!(known.contains(figure), "{figure} of {question}");
            }
        }
        let rules = prometheus.ask("/api/v1/rules", &[]).await.unwrap();
        let told = std::fs::read_to_string(fixture("alerts.yaml")).unwrap().matches("- alert:").count();
        assert_eq!(rules["data"]["groups"][0]["rules"].as_array().unwrap().len(), told, "{rules}");
    }
}
