//! Who may look through the window, what they are shown, and what they may change.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::http::request::Builder;
use futures_util::StreamExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

mod phone;

use super::*;
use crate::domain::BusinessId;
use crate::http::house::{ADMIN_TOKEN, Answer, CALL, CALLER, House, RINGING};
use crate::store::Directory as _;

const HOME: &str = "https://voice.example.com";

/// Every page there is.
const PAGES: [&str; 8] = [
    "/",
    "/calls",
    "/calls/CA00000000000000000000000000000001",
    "/calls/CA00000000000000000000000000000001/replay/1",
    "/businesses",
    "/businesses/new",
    "/businesses/business-1",
    "/status",
];

async fn ask(house: &House, request: Builder, body: &str) -> Answer {
    house.ask_raw(request.body(Body::from(body.to_owned())).unwrap()).await
}

fn get(path: &str) -> Builder {
    Request::get(path).header("accept", "text/html,*/*")
}

fn post(path: &str) -> Builder {
    Request::post(path)
        .header("accept", "text/html,*/*")
        .header("origin", HOME)
        .header("content-type", "application/x-www-form-urlencoded")
}

/// Logs in, and gives the cookie.
async fn log_in(house: &House) -> String {
    let answer = ask(house, post("/login"), &format!("token={ADMIN_TOKEN}&next=%2Fcalls")).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["location"]),
        (303, &HeaderValue::from_static("/calls"))
    );
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-frontdesk=") && !cookie.contains(ADMIN_TOKEN), "{cookie}");
    for part in ["; Path=/;", "; HttpOnly", "; Secure", "; SameSite=Strict", "; Max-Age=43200"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    cookie.split(';').next().unwrap().to_owned()
}

/// The seal of the forms on a page.
fn seal(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("name=\"seal\" value=\"").expect("a form");
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn without_a_badge_people_are_led_to_the_door_and_programs_are_told() {
    let house = House::new().await;
    for path in PAGES {
        let answer = ask(&house, get(path), "").await;
        assert_eq!(answer.status.as_u16(), 303, "{path}");
        assert!(answer.headers["location"].to_str().unwrap().starts_with("/login?next=%2F"), "{path}");
        for badge in ["", "x", "9999999999.x.y", "1.2.3.4"] {
            let request = get(path).header("cookie", format!("__Host-frontdesk={badge}"));
            assert_eq!(ask(&house, request, "").await.status.as_u16(), 303, "{path} {badge}");
        }
    }
    for path in ["/calls", "/calls/CA1/operate", "/live/poll", "/live"] {
        assert_eq!(ask(&house, Request::get(path), "").await.status.as_u16(), 401, "{path}");
    }
    let told = ask(&house, Request::get("/"), "").await;
    assert!(told.body.starts_with("frontdesk ") && told.body.contains("/twilio-voice"), "{}", told.body);
}

#[tokio::test]
async fn whoever_shows_the_token_sees_every_page_until_they_leave() {
    let house = House::new().await;
    house.keep(1, None).await;
    let badge = log_in(&house).await;
    let seen = async |path: &str| ask(&house, get(path).header("cookie", &badge), "").await;
    for path in PAGES.into_iter().filter(|path| !path.contains("/replay/")) {
        let page = seen(path).await;
        assert_eq!(page.status.as_u16(), 200, "{path} {}", page.body);
        assert!(page.body.contains("<h1>") && page.body.contains("Log out"), "{path}");
        assert!(!page.body.contains(CALLER) && !page.body.contains("415555"), "{path} shows a number");
    }
    assert_eq!(seen("/calls/CA9").await.status.as_u16(), 404);
    assert_eq!(seen("/live/poll").await.status.as_u16(), 200);
    let shown = seen(&format!("/calls/{CALL}?numbers=shown")).await;
    assert!(shown.body.contains(CALLER), "who asks for the number sees it");

    let page = seen("/").await;
    let leave = post("/logout").header("cookie", &badge);
    let left = ask(&house, leave, &format!("seal={}", seal(&page))).await;
    assert!(left.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    let door = ask(&house, get(left.headers["location"].to_str().unwrap()), "").await;
    assert!(door.body.contains("logged out in this browser"), "{}", door.body);
    assert_eq!(seen("/").await.status.as_u16(), 303, "a badge that was given back opens nothing");
}

#[tokio::test]
async fn a_wrong_token_opens_nothing_and_keeps_nobody_out_who_has_the_right_one() {
    let house = House::new().await;
    let from = |peer: &str| post("/login").extension(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
    for _ in 0..30 {
        let refused = ask(&house, from("192.0.2.1:1"), "token=wrong").await;
        assert_eq!(refused.status.as_u16(), 403);
        assert!(refused.headers.get("set-cookie").is_none() && refused.body.contains("not the token"));
    }
    let right = ask(&house, from("192.0.2.1:2"), &format!("token={ADMIN_TOKEN}")).await;
    assert_eq!(right.status.as_u16(), 303, "all who come through one proxy have one address");
    let foreign = post("/login").header("origin", "https://evil.example.com");
    assert_eq!(ask(&house, foreign, &format!("token={ADMIN_TOKEN}")).await.status.as_u16(), 403);
    for (next, led) in
        [("https://evil.example.com", "/"), ("//evil.example.com", "/"), ("/status", "/status")]
    {
        let answer = ask(&house, from("192.0.2.3:1"), &format!("token={ADMIN_TOKEN}&next={next}")).await;
        assert_eq!(answer.headers["location"], led, "{next}");
    }
}

#[tokio::test]
async fn nothing_is_changed_without_the_seal_and_by_no_other_page() {
    let house = House::new().await;
    let badge = log_in(&house).await;
    let page = ask(&house, get("/businesses/new").header("cookie", &badge), "").await;
    let right = seal(&page);
    let other = log_in(&house).await;
    let theirs = seal(&ask(&house, get("/").header("cookie", &other), "").await);
    for path in [
        "/logout",
        "/businesses",
        "/businesses/business-1",
        "/businesses/business-1/call",
        "/phone/over",
        "/calls/CA1/hang-up",
        "/calls/CA1/say",
        "/calls/CA1/transfer",
    ] {
        for (seal, origin) in
            [("", HOME), ("x", HOME), (&theirs, HOME), (&right, "https://evil.example.com"), (&right, "null")]
        {
            let request = Request::post(path).header("cookie", &badge).header("origin", origin);
            let answer = ask(&house, request, &format!("seal={seal}")).await;
            assert_eq!(answer.status.as_u16(), 403, "{path} {origin}");
        }
        let no_origin = Request::post(path).header("cookie", &badge);
        assert_eq!(ask(&house, no_origin, &format!("seal={right}")).await.status.as_u16(), 403, "{path}");
    }
    let told = post("/calls/CA1/hang-up").header("cookie", &badge);
    let told = ask(&house, told, &format!("seal={right}")).await;
    assert_eq!(told.headers["location"], "/calls/CA1?did=not-here");
}

#[tokio::test]
async fn no_page_runs_a_script_or_wears_a_style_that_is_not_our_file() {
    let house = House::new().await;
    house.keep(1, None).await;
    let badge = log_in(&house).await;
    for path in PAGES.into_iter().chain(["/login", "/assets/window.js", "/assets/phone.js", "/live/poll"]) {
        let page = ask(&house, get(path).header("cookie", &badge), "").await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert!(!page.body.contains(" style=\"") && !page.body.contains(" onclick"), "{path}");
        assert_eq!(page.body.matches("<script").count(), page.body.matches("<script src=\"/assets/").count());
        for fetched in ["src=\"http", "href=\"http", "action=\"http", "url("] {
            assert!(!page.body.contains(fetched), "{path} fetches from elsewhere");
        }
    }
}

#[tokio::test]
async fn only_pages_that_are_allowed_to_may_listen() {
    let house = House::new().await;
    let badge = log_in(&house).await;
    for (origin, status) in [
        (Some(HOME), 405),
        (Some("https://desk.example.com"), 405),
        (Some("https://evil.example.com"), 403),
        (Some("null"), 403),
        (None, 403),
    ] {
        // Whoever may is told that this is no handshake.
        let mut request = Request::head("/live").header("cookie", &badge);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        assert_eq!(ask(&house, request, "").await.status.as_u16(), status, "{origin:?}");
    }
    let poll = Request::get("/live/poll").header("cookie", &badge);
    let allowed = ask(&house, poll.header("origin", "https://desk.example.com"), "").await;
    assert_eq!(allowed.headers["access-control-allow-origin"], "https://desk.example.com");
    let poll = Request::get("/live/poll").header("cookie", &badge);
    let foreign = ask(&house, poll.header("origin", "https://evil.example.com"), "").await;
    assert!(foreign.headers.get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn without_a_token_only_this_machine_sees_anything() {
    let house = House::at_home().await;
    let from = |peer: &str, host: &str| {
        get("/").extension(ConnectInfo(peer.parse::<SocketAddr>().unwrap())).header("host", host)
    };
    assert_eq!(ask(&house, from("127.0.0.1:5", "localhost:8080"), "").await.status.as_u16(), 200);
    for (peer, host) in [("192.0.2.1:5", "localhost:8080"), ("127.0.0.1:5", "evil.example.com")] {
        let refused = ask(&house, from(peer, host), "").await;
        assert_eq!(refused.status.as_u16(), 403, "{peer} {host}");
        assert!(refused.body.contains("ADMIN_TOKEN"), "{}", refused.body);
    }
    let public = House::with_token(None).await;
    assert_eq!(ask(&public, from("127.0.0.1:5", "localhost:8080"), "").await.status.as_u16(), 403);
}

#[tokio::test]
async fn a_business_is_made_changed_and_checked_by_its_form() {
    let house = House::new().await;
    let badge = log_in(&house).await;
    let shown = async |path: &str| ask(&house, get(path).header("cookie", &badge), "").await;
    let sent = async |path: &str, form: &[(&str, &str)]| {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        ask(&house, post(path).header("cookie", &badge), &body).await
    };
    let seal = seal(&shown("/businesses/new").await);
    let mut form = vec![
        ("seal", seal.as_str()),
        ("id", "venus"),
        ("name", "Venus Flowers"),
        ("plan", "premium"),
        ("lines", "+15551112222"),
        ("greeting", "Venus Flowers, hello."),
        ("instructions", "You sell flowers.\r\nBe kind."),
        ("voice", "marin"),
        ("language", "en"),
        ("tools", "end_call"),
    ];
    form[4].1 = "five five five";
    let wrong = sent("/businesses", &form).await;
    assert_eq!(wrong.status.as_u16(), 422);
    assert!(
        wrong.body.contains("lines 1: ") && wrong.body.contains("Venus Flowers, hello."),
        "{}",
        wrong.body
    );
    form[4].1 = "+15551112222";
    let made = sent("/businesses", &form).await;
    assert_eq!(
        (made.status.as_u16(), &made.headers["location"]),
        (303, &HeaderValue::from_static("/businesses?saved=venus"))
    );
    let id = BusinessId::parse("venus").unwrap();
    let venus = house.store.business(&id).await.unwrap().unwrap();
    assert_eq!(venus.instructions, "You sell flowers.\nBe kind.");
    assert_eq!(sent("/businesses", &form).await.status.as_u16(), 422, "there is one already");

    let page = shown("/businesses/venus").await;
    let (_, rest) = page.body.split_once("name=\"seen\" value=\"").unwrap();
    let seen = rest.split('"').next().unwrap();
    form[1] = ("seen", seen);
    form[2].1 = "Venus & Sons";
    assert_eq!(sent("/businesses/venus", &form).await.status.as_u16(), 303);
    assert_eq!(house.store.business(&id).await.unwrap().unwrap().name, "Venus & Sons");
    let late = sent("/businesses/venus", &form).await;
    assert!(late.status.as_u16() == 422 && late.body.contains("meanwhile"), "{}", late.body);
}

#[tokio::test]
async fn calls_are_found_by_what_one_knows_of_them() {
    let house = House::new().await;
    house.keep(1, None).await;
    let badge = log_in(&house).await;
    let found = async |query: &str| {
        let page = ask(&house, get(&format!("/calls?{query}")).header("cookie", &badge), "").await;
        (page.status.as_u16(), page.body.contains(&format!("/calls/{CALL}\"")))
    };
    for (query, there) in [
        ("", true),
        ("business=business-1&number=0123&ending=inFlight&day=2026-09-21", true),
        ("business=business-2", false),
        ("number=0124", false),
        ("ending=hungUp", false),
        ("day=2026-09-20", false),
        ("after=1_CA0", false),
    ] {
        assert_eq!(found(query).await, (200, there), "{query}");
    }
    assert_eq!(found(&format!("number={CALL}")).await.0, 303, "a CallSid leads to its call");
}

#[tokio::test]
async fn a_socket_is_told_everything_once_and_then_what_changes() {
    let house = House::new().await;
    let badge = log_in(&house).await;
    let address = house.listen().await;
    let mut request = format!("ws://{address}/live").into_client_request().unwrap();
    request.headers_mut().insert("cookie", badge.parse().unwrap());
    request.headers_mut().insert("origin", HOME.parse().unwrap());
    let tcp = TcpStream::connect(address).await.unwrap();
    let (mut socket, _) = client_async(request, tcp).await.unwrap();
    let mut hear = async || {
        let heard = timeout(Duration::from_secs(30), socket.next()).await.expect("nothing is told");
        heard.unwrap().unwrap().into_text().unwrap().to_string()
    };
    let all = hear().await;
    assert!(all.contains("No call in flight") && all.contains("id=\"calls\""), "{all}");
    house.post("/twilio-voice", &RINGING).await;
    let news = hear().await;
    assert!(news.contains(&format!("<li id=\"call-{CALL}\" data-into=\"calls\">")), "{news}");
    assert!(news.contains("1</b> call in flight") && !news.contains("id=\"calls\""), "{news}");
    assert!(news.contains("··· 0123") && !news.contains(CALLER), "{news}");
}
