//! Rows A: the webhook is reached, and what it answers cannot work.

use std::time::Duration;

use frontdesk::doctor::row::Row;
use frontdesk::doctor::{Examination, Examined};
use frontdesk::http::paths;
use frontdesk::wire::twilio::signature::sign;

use crate::deployment::{address, behind_for, examination, examined, free_port, recent, server, webhook};
use crate::fixture::{Fixture, fault, warning};
use crate::front::{Gate, pass, say};
use crate::head::Reply;
use crate::house::{ACCOUNT, AUTH_TOKEN, CALLER, House, LINE};
use crate::records::{self, Records};

pub(super) fn all() -> Vec<Fixture> {
    vec![
        fault(Row::QueryInStreamUrl, "values in the query of the Stream URL", || {
            stream_url(|url| format!("{url}?businessId=business-1&amp;callSid=test123"))
        }),
        fault(Row::WrongScheme, "an https:// Stream URL", || {
            stream_url(|url| url.replace("ws://", "https://"))
        }),
        fault(Row::MalformedUrl, "two schemes in the Stream URL", || {
            stream_url(|url| url.replace("ws://", "wss://https://"))
        }),
        fault(Row::MalformedUrl, "a path in place of the Stream URL", || {
            stream_url(|_| paths::MEDIA.to_owned())
        }),
        fault(Row::BrokenXml, "a bare & in the Stream URL", || {
            stream_url(|url| format!("{url}?businessId=business-1&callSid=test123"))
        }),
        fault(Row::BrokenXml, "a line of a log before the TwiML", || {
            twiml(|xml| format!("DEBUG: ok\n{xml}"))
        }),
        fault(Row::WrongContentType, "TwiML as application/json", || {
            webhook(|_, server| {
                pass(server).mending(|reply| reply.headers.set("content-type", "application/json"))
            })
        }),
        fault(Row::WrongContentType, "a page of HTML with status 200", || {
            webhook(|_, _| say(Reply::new(200, "<html><body>Welcome!").with("content-type", "text/html")))
        }),
        fault(Row::WrongHost, "the name of the inner network in the Stream URL", || {
            stream_url(|url| format!("wss://voice.railway.internal/{}", path(url)))
        }),
        fault(Row::PortInUrl, "the inner port in the Stream URL", || async {
            let port = free_port();
            stream_url(move |url| format!("ws://127.0.0.1:{port}/{}", path(url))).await
        }),
        fault(Row::WrongVerb, "<Start> in place of <Connect>", || {
            twiml(|xml| xml.replace("<Connect", "<Start").replace("</Connect", "</Start"))
        }),
        fault(Row::NumberElsewhere, "the account's number calls another application", || {
            let elsewhere = "https://other.example.com/voice";
            records::examined_with(|base| Records {
                voice_url: elsewhere.to_owned(),
                ..Records::alerts(base, &[])
            })
        }),
        fault(Row::WebhookRedirected, "the webhook's http URL is redirected to https", || {
            webhook(
                |_, _| say(Reply::new(301, "").with("location", "https://voice.example.com/twilio-voice")),
            )
        }),
        fault(Row::WebhookSlow, "an instance that has to wake up first", || slow_webhook(10_500)),
        warning(Row::WebhookSlow, "a webhook that takes three seconds", || slow_webhook(3_200)),
        warning(Row::TestRequest, "somebody asked the webhook with curl", || async {
            let gate = Gate::plain().await;
            let url = gate.url();
            let house = server(&url).await;
            let server = address(&house);
            let _front = gate.open(move |_| pass(server));
            by_hand(&house, &url).await;
            examined(examination(&url)).await
        }),
    ]
}

/// The webhook's document is changed.
async fn twiml(change: impl Fn(String) -> String + Clone + Send + Sync + 'static) -> Examined {
    webhook(move |_, server| {
        let change = change.clone();
        pass(server).mending(move |reply| reply.body = change(reply.text()).into_bytes())
    })
    .await
}

/// The Stream URL in it is changed.
async fn stream_url(change: impl Fn(&str) -> String + Clone + Send + Sync + 'static) -> Examined {
    twiml(move |xml| {
        let (before, stream) = xml.split_once("<Stream ").unwrap();
        let (tag, url) = stream.split_once("url=\"").unwrap();
        let (url, after) = url.split_once('"').unwrap();
        format!("{before}<Stream {tag}url=\"{}\"{after}", change(url))
    })
    .await
}

fn path(url: &str) -> &str {
    url.splitn(4, '/').last().unwrap()
}

/// The webhook is that late; no call is placed, for one look is enough.
async fn slow_webhook(ms: u64) -> Examined {
    let no_call = |everything| Examination { call: false, ..everything };
    behind_for(no_call, move |request, server| {
        pass(server).late(if request.is(paths::VOICE) { ms } else { 0 })
    })
    .await
}

/// Asks the webhook as people do, and waits until the server has noticed that nobody came.
async fn by_hand(house: &House, url: &str) {
    let form = [("CallSid", "test123"), ("AccountSid", ACCOUNT), ("From", CALLER), ("To", LINE)];
    let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let signature = sign(AUTH_TOKEN, &format!("{url}{}", paths::VOICE), &form);
    let asked = house.http.post(format!("{url}{}", paths::VOICE)).header("X-Twilio-Signature", signature);
    assert_eq!(asked.form(&form).send().await.unwrap().status(), 200);
    // It looks ten seconds later.
    let noticed = async {
        while !recent(house).await.contains("testRequest") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), noticed).await.is_ok(), "nobody has noticed");
}
