//! What is written, and what is not because of a mistake.

use super::*;

fn luna() -> Value {
    json!({"name": "Luna", "plan": "premium", "lines": ["+15558880000"], "greeting": "Hi.", "instructions": "Be kind."})
}

fn changed(mut document: Value, field: &str, value: Value) -> Value {
    document[field] = value;
    document
}

/// As it stands in a body; a value made in memory has other digits behind the point.
fn said(document: &impl serde::Serialize) -> Value {
    serde_json::from_str(&serde_json::to_string(document).unwrap()).unwrap()
}

#[tokio::test]
async fn a_business_is_written_shown_as_it_was_sent_replaced_and_removed() {
    let operator = Operator::new().await;
    let mut sent = one_business().businesses.remove(0);
    sent.plan = crate::domain::PlanId::parse("premium").unwrap();
    let (target, body) = (format!("/api/businesses/{}", sent.id), said(&sent));
    let made = operator.put(&target, &body).await;
    assert_eq!(
        (made.status.as_u16(), &made.json()["item"], &made.json()["warnings"]),
        (201, &body, &json!([]))
    );
    assert_eq!(operator.get(&target).await.json(), body);
    let odd = changed(body.clone(), "voice", "mari".into());
    let again = operator.put(&target, &odd).await;
    assert_eq!((again.status.as_u16(), &again.json()["warnings"][0]["pointer"]), (200, &"/voice".into()));
    assert_eq!(operator.get(&target).await.json()["voice"], "mari");
    assert_eq!(operator.delete(&target).await.status, 204);
    for gone in [operator.get(&target).await, operator.delete(&target).await] {
        assert_eq!(problem(&gone), (404, "not-found".to_owned()));
    }
}

#[tokio::test]
async fn a_change_is_seen_at_once_through_the_cache() {
    let cached = House::with(|store| {
        Arc::new(CachedDirectory::new(Arc::new(store), None, Arc::new(|| crate::http::house::NOW_MS)))
    })
    .await;
    let operator = Operator::of(cached);
    let (target, line) = ("/api/businesses/business-1", PhoneNumber::parse("+15551234567").unwrap());
    let shown = operator.get(target).await.json();
    assert!(operator.house.app.directory.business_by_line(&line).await.unwrap().is_some());
    operator.put(target, &changed(shown, "greeting", "New words.".into())).await;
    assert_eq!(operator.get(target).await.json()["greeting"], "New words.");
    let answers = operator.house.app.directory.business_by_line(&line).await.unwrap().unwrap();
    assert_eq!(answers.greeting, "New words.");
    assert_eq!(operator.delete(target).await.status, 204);
    assert_eq!(operator.get(target).await.status, 404);
    assert!(operator.house.app.directory.business_by_line(&line).await.unwrap().is_none());
}

#[tokio::test]
async fn every_mistake_is_told_at_once_with_a_pointer_and_nothing_is_written() {
    let operator = Operator::new().await;
    let wrong = json!({"id": "luna", "name": " ", "plan": "gone", "gretting": "Hi", "lines": ["123"], "instructions": "",
        "webhook": {"url": "http://me:hunter2@x.example", "secret": "hunter2"}});
    let answer = operator.put("/api/businesses/luna", &wrong).await;
    assert_eq!(problem(&answer), (422, "mistakes".to_owned()));
    let mistakes = answer.json()["errors"].as_array().unwrap().clone();
    let pointers: Vec<_> = mistakes.iter().map(|mistake| mistake["pointer"].as_str().unwrap()).collect();
    let expected = [
        "/gretting",
        "/greeting",
        "/lines/0",
        "/name",
        "/webhook/url",
        "/webhook/url",
        "/webhook/secret",
        "/plan",
    ];
    assert_eq!(pointers, expected, "{mistakes:#?}");
    assert!(mistakes[0]["detail"].as_str().unwrap().contains("did you mean `greeting`?"));
    assert!(!answer.body.contains("hunter2"), "{}", answer.body);
    assert_eq!(operator.get("/api/businesses/luna").await.status, 404);
    let file = json!({"plans": [{"id": "p"}], "businesses": [luna()]});
    let answer = operator.post("/api/import", &file).await;
    assert_eq!(answer.json()["errors"][0]["pointer"], "/plans/0/concurrentCalls");
    let last = answer.json()["errors"].as_array().unwrap().last().unwrap()["pointer"].clone();
    assert_eq!(last, "/businesses/0/id");
}

#[tokio::test]
async fn a_million_mistakes_are_counted_and_not_all_told() {
    let operator = Operator::new().await;
    let lines: Vec<String> = (0..5_000).map(|number| number.to_string()).collect();
    let answer = operator.put("/api/businesses/luna", &changed(luna(), "lines", json!(lines))).await;
    assert_eq!(answer.json()["errors"].as_array().unwrap().len(), 200);
    assert!(answer.json()["detail"].as_str().unwrap().starts_with("5000 mistakes, of which 200"));
}

#[tokio::test]
async fn an_id_is_of_the_path_and_the_body_may_only_repeat_it() {
    let operator = Operator::new().await;
    let other = operator.put("/api/businesses/luna", &changed(luna(), "id", "sol".into())).await;
    assert_eq!(problem(&other), (400, "other-id".to_owned()));
    assert_eq!(operator.put("/api/businesses/luna", &changed(luna(), "id", "luna".into())).await.status, 201);
    for strange in ["a%20b", "%C3%A9", &"x".repeat(65)] {
        for target in [
            format!("/api/businesses/{strange}"),
            format!("/api/plans/{strange}"),
            format!("/api/calls/{strange}"),
        ] {
            let answer = operator.get(&target).await;
            assert_eq!(problem(&answer), (400, "bad-request".to_owned()), "{target}");
            assert!(answer.body.contains("must be 1 to 64 letters"), "{}", answer.body);
        }
    }
    assert_eq!(problem(&operator.get("/api/businesses/%ff").await).0, 400);
}

#[tokio::test]
async fn what_others_have_or_need_is_a_conflict() {
    let operator = Operator::new().await;
    let taken = changed(luna(), "lines", json!(["+15558880000", "+15551234567"]));
    let answer = operator.put("/api/businesses/luna", &taken).await;
    assert_eq!(problem(&answer), (409, "line-taken".to_owned()));
    assert_eq!(answer.json()["errors"][0]["pointer"], "/lines/1");
    assert!(answer.body.contains("take it from business-1 first"), "{}", answer.body);
    let both = changed(taken, "voice", "nova".into());
    assert_eq!(problem(&operator.put("/api/businesses/luna", &both).await), (422, "mistakes".to_owned()));
    let in_use = operator.delete("/api/plans/premium").await;
    assert_eq!(problem(&in_use), (409, "plan-in-use".to_owned()));
    assert!(in_use.body.contains("is still the plan of business-"), "{}", in_use.body);
}

#[tokio::test]
async fn a_plan_is_written_and_removed() {
    let operator = Operator::new().await;
    let basic =
        json!({"concurrentCalls": 1, "minutesPerMonth": 60, "minutesPerCall": 5, "atLimit": "answer"});
    let made = operator.put("/api/plans/basic", &basic).await;
    assert_eq!((made.status.as_u16(), &made.json()["item"]["id"]), (201, &"basic".into()));
    assert_eq!(
        operator.put("/api/plans/basic", &operator.get("/api/plans/basic").await.json()).await.status,
        200
    );
    assert_eq!(operator.get("/api/plans/basic").await.json()["atLimit"], "answer");
    assert_eq!(operator.delete("/api/plans/basic").await.status, 204);
    assert_eq!(problem(&operator.delete("/api/plans/basic").await), (404, "not-found".to_owned()));
    assert_eq!(problem(&operator.get("/api/plans/basic").await).0, 404);
    let wrong = operator.put("/api/plans/basic", &changed(basic, "atLimit", "bill".into())).await;
    assert_eq!(wrong.json()["errors"][0]["pointer"], "/atLimit");
}

#[tokio::test]
async fn what_is_exported_can_be_imported_and_is_what_the_command_line_exports() {
    let operator = Operator::new().await;
    let import = said(&one_business());
    let imported = operator.post("/api/import", &import).await;
    assert_eq!(imported.json(), json!({"businesses": 1, "plans": 1, "warnings": []}));
    let exported = operator.get("/api/export").await;
    let file: Value = exported.json();
    assert_eq!(file["businesses"].as_array().unwrap().len(), 4);
    assert!(file["businesses"].as_array().unwrap().contains(&import["businesses"][0]), "secrets included");
    let other = Operator::of(House::new().await);
    assert_eq!(other.post("/api/import", &file).await.status, 200);
    assert_eq!(other.get("/api/export").await.body, exported.body);
}

#[tokio::test]
async fn a_body_that_is_no_json_or_not_sent_as_it_or_too_large_is_refused() {
    let operator = Operator::new().await;
    let put = async |kind: &str, body: Vec<u8>| {
        let request = Request::put("/api/businesses/luna").header("content-type", kind);
        operator.ask_raw(request.body(Body::from(body)).unwrap()).await
    };
    let luna = luna().to_string().into_bytes();
    for kind in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"] {
        assert_eq!(problem(&put(kind, luna.clone()).await), (415, "wrong-content-type".to_owned()), "{kind}");
    }
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.frontdesk+json"] {
        assert!(put(kind, luna.clone()).await.status.is_success(), "{kind}");
    }
    let broken = put("application/json", b"{\"name\":".to_vec()).await;
    assert_eq!(problem(&broken), (400, "not-json".to_owned()));
    assert!(broken.body.contains("line 1, column 8"), "{}", broken.body);
    assert_eq!(problem(&put("application/json", vec![0xff]).await), (400, "not-json".to_owned()));
    assert_eq!(problem(&put("application/json", Vec::new()).await), (400, "not-json".to_owned()));
    let large = vec![b' '; asked::ONE_BYTES + 1];
    assert_eq!(problem(&put("application/json", large.clone()).await), (413, "body-too-large".to_owned()));
    let mut import = serde_json::to_vec(&one_business()).unwrap();
    import.extend(large);
    let request = Request::post("/api/import").header("content-type", "application/json");
    assert_eq!(
        operator.ask_raw(request.body(Body::from(import)).unwrap()).await.status,
        200,
        "an import may be larger"
    );
}
