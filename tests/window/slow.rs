//! A reader of the feed that stops reading, on a real socket with small buffers.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::crowd::{Crowd, Moves};

/// With words for all of them a beat is a megabyte: a few fill every buffer there is.
const CALLS: usize = 500;

/// How long the slow reader sleeps, in messages the quick one hears meanwhile: a beat of half a second each.
const ASLEEP: usize = 16;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A page, as far as a feed changes it: the pieces by their ids.
#[derive(Debug, Default, PartialEq)]
struct Page(BTreeMap<String, String>);

struct Reader {
    socket: WebSocketStream<TcpStream>,
    page: Page,
    messages: usize,
    bytes: usize,
}

impl Page {
    fn of(html: &str) -> Self {
        let mut page = Self::default();
        page.take(html);
        page
    }

    /// What the script of the page does.
    fn take(&mut self, html: &str) {
        if html.contains(" id=\"calls\"") {
            self.0.clear();
        }
        for gone in html.split("<li id=\"call-").skip(1) {
            let (call, rest) = gone.split_once('"').unwrap();
            if rest.starts_with(" data-gone") {
                self.0.retain(|id, _| !id.ends_with(call));
            }
        }
        for (opening, closing) in
            [(" id=\"row-", "</a>"), (" id=\"meter-", "</span></span>"), (" id=\"count", "</p>")]
        {
            for part in html.split(opening).skip(1) {
                let (id, rest) = part.split_once('"').unwrap();
                let (piece, _) = rest.split_once(closing).unwrap();
                self.0.insert(format!("{opening}{id}"), piece.to_owned());
            }
        }
    }
}

impl Reader {
    async fn new(crowd: &Crowd, badge: &str, receive_bytes: Option<u32>) -> Self {
        let address = crowd.base.trim_start_matches("http://");
        let mut request = format!("ws://{address}/live").into_client_request().unwrap();
        request.headers_mut().insert("cookie", badge.parse().unwrap());
        request.headers_mut().insert("origin", crowd.base.parse().unwrap());
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = receive_bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let tcp = socket.connect(address.parse().unwrap()).await.unwrap();
        let (socket, _) = client_async(request, tcp).await.unwrap();
        Self { socket, page: Page::default(), messages: 0, bytes: 0 }
    }

    async fn hear(&mut self) {
        let heard = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("nothing is told");
        match heard.expect("the socket is closed").expect("the socket is broken") {
            Message::Text(text) => {
                self.page.take(&text);
                self.messages += 1;
                self.bytes += text.len();
            }
            Message::Ping(_) => {}
            other @ (Message::Binary(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {
                panic!("{other:?} is nothing a feed says");
            }
        }
    }

    async fn hear_until(&mut self, page: &Page) {
        while self.page != *page {
            self.hear().await;
        }
    }
}

#[tokio::test]
async fn a_reader_that_stops_is_kept_and_is_told_together_what_it_missed() {
    let mut crowd = Crowd::of(CALLS).await;
    let badge = crowd.badge().await;
    let mut quick = Reader::new(&crowd, &badge, None).await;
    let mut slow = Reader::new(&crowd, &badge, Some(4 * 1024)).await;
    quick.hear().await;
    slow.hear().await;
    assert_eq!(quick.page, slow.page);

    let moving = crowd.moving(Moves { one_in: 1, words: 450 });
    let (heard, bytes) = (quick.messages, quick.bytes);
    while quick.messages < heard + ASLEEP / 2 {
        quick.hear().await;
    }
    crowd.leave();
    crowd.enter();
    while quick.messages < heard + ASLEEP {
        quick.hear().await;
    }
    drop(moving);
    let (told, bytes) = (quick.messages - heard, quick.bytes - bytes);

    let all = reqwest::Client::builder().no_proxy().build().unwrap().get(format!("{}/live/poll", crowd.base));
    let all = all.header("cookie", &badge).send().await.unwrap().text().await.unwrap();
    let now = Page::of(&all);
    assert_eq!(now.0.len(), 2 * CALLS + 1);
    quick.hear_until(&now).await;
    let (messages_before, bytes_before) = (slow.messages, slow.bytes);
    slow.hear_until(&now).await;
    let (messages, caught_up) = (slow.messages - messages_before, slow.bytes - bytes_before);
    println!(
        "while one reader slept, the other was told {told} times, {bytes} bytes; it was told {messages} times, \
         {caught_up} bytes, and saw the same"
    );
    assert!(
        messages * 2 < told && caught_up * 2 < bytes,
        "what was missed is told together, and kept nowhere"
    );

    crowd.say("Still there?");
    let followed = |page: &Page| page.0.values().any(|piece| piece.contains("Still there?"));
    while !followed(&slow.page) {
        slow.hear().await;
    }
}
