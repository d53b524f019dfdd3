//! What a person sees.

use std::time::Duration;

use frontdesk::domain::CallSid;
use frontdesk::sim::model::{ModelFault, Reply, Script};
use frontdesk::sim::{Act, Step, When};
use frontdesk::store::Ledger as _;
use frontdesk::wire::twilio::signature::sign;

use crate::browser::{Browser, chromium};
use crate::house::{ACCOUNT, AUTH_TOKEN, CALLER, House, LINE, LUNA, Plans, until};
use crate::scenes::{asks, goodbye, interrupts, plain, script, speech};
use crate::wire::Wire;

pub(crate) const TOKEN: &str = "9d6f1c0f6a7c4f0c8d0a51f2c9b3e7d4";

pub(crate) const LONG: &str =
    "We are open from nine to five on every day of the week but on Sunday, and on Saturday until two";

/// How long a sound on the page is, by the player that is to play it.
const PLAYS: &str = "new Promise(done => { const audio = document.querySelector('audio'); \
                     audio.onloadedmetadata = () => done(audio.duration); audio.onerror = () => done(-1); \
                     audio.preload = 'metadata'; audio.load() })";

/// Asks for a part of it, as a player that seeks.
const PART: &str = "fetch(document.querySelector('audio').src, {headers: {range: 'bytes=4-7'}}) \
                    .then(async answer => [answer.status, (await answer.arrayBuffer()).byteLength, \
                    answer.headers.get('content-range').split('/')[0]].join())";

/// Two minutes of them.
const PATIENT_TURNS: usize = 20;

/// A house with pages.
async fn house(name: &'static str, settings: &[(&'static str, &str)]) -> House {
    let turns = vec![
        Reply::speech(speech(2, 6_000), LONG),
        Reply::speech(speech(3, 1_500), "On Saturday from ten to two."),
        goodbye(),
    ];
    house_of(name, settings, turns).await
}

/// The same, with a model that answers like that.
async fn house_of(name: &'static str, settings: &[(&'static str, &str)], turns: Vec<Reply>) -> House {
    let mut script = script(turns);
    script.transcripts = ["When are you open?", "And on Saturday?", "Thanks, bye."].map(str::to_owned).into();
    script.pace.first_audio = Duration::from_millis(200);
    let mut settings: Vec<_> = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    settings.push(("ADMIN_TOKEN", TOKEN.to_owned()));
    let recorded =
        |text: &str| text.replace("\"minutesPerCall\":30", "\"minutesPerCall\":30,\"recording\":true");
    let businesses = recorded(LUNA).replace("\"fallback\"", "\"recording\":true,\"fallback\"");
    House::build(Plans { settings, businesses, ..Plans::new(name, vec![script]) }).await
}

/// Asks, listens for a while, interrupts, and thanks.
fn caller() -> Vec<Step> {
    vec![asks(), interrupts(3_000), Step { when: When::AfterSilence(1_200), act: asks().act }]
}

/// A caller who goes on asking for longer than anything takes here.
fn patient_caller() -> Vec<Step> {
    let again = Step { when: When::After(6_000), act: asks().act };
    [vec![asks()], vec![again; PATIENT_TURNS]].concat()
}

/// A caller who stays on the line and says nothing.
fn quiet_caller(ms: u64) -> Vec<Step> {
    vec![Step { when: When::After(ms), act: Act::HangUp }]
}

pub(crate) async fn log_in(browser: &mut Browser, base: &str) {
    browser.open(&format!("{base}/")).await;
    browser.until("location.pathname === '/login'").await;
    browser.ask("document.querySelector('#token').value = 'wrong'; document.forms[0].requestSubmit()").await;
    browser.until("document.querySelector('.wrong')?.textContent === 'That is not the token.'").await;
    browser.picture("login").await;
    let right =
        format!("document.querySelector('#token').value = '{TOKEN}'; document.forms[0].requestSubmit()");
    browser.ask(&right).await;
    browser.until("document.querySelector('h1')?.textContent === 'Now'").await;
}

/// Looks at a page in every light, and on a telephone: it is for everybody, it fits, and its picture is taken.
pub(crate) async fn pictures(browser: &mut Browser, name: &str) {
    for (width, height, scheme, word) in
        [(1280, 900, "dark", "dark"), (390, 844, "light", "phone"), (1280, 900, "light", "light")]
    {
        browser.see(width, height, scheme).await;
        browser.picture(&format!("{name}-{word}")).await;
        let wide =
            browser.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        assert_eq!(wide, 0, "{name} is wider than a window of {width}");
        if word != "phone" {
            browser.must_be_for_everybody(&format!("{name}, {word}")).await;
        }
    }
}

#[tokio::test]
async fn a_person_logs_in_sees_a_call_come_move_and_be_interrupted_and_reads_it_afterwards() {
    let Some(chromium) = chromium() else { return };
    let house = house("window-live", &[]).await;
    let mut browser = Browser::start(&chromium).await;
    log_in(&mut browser, &house.base).await;
    browser.until("document.querySelector('#link').dataset.state === 'live'").await;
    pictures(&mut browser, "now-empty").await;

    let watch = async {
        browser.until("document.querySelectorAll('#calls > li').length === 1").await;
        browser.until("document.querySelector('#calls .pill')?.textContent === 'Talking'").await;
        browser.until("document.querySelector('#count').textContent.includes('1 call in flight')").await;
        browser.until("[...document.querySelectorAll('#calls .meter i')].some(bar => !/^[cm]0$/.test(bar.className))").await;
        browser
            .until("document.querySelector('#calls .said').textContent.includes('When are you open?')")
            .await;
        browser.until("/^0:0[1-9]/.test(document.querySelector('#calls .ticks').textContent)").await;
        let page = browser.ask("document.querySelector('#calls a').href").await;
        browser.open(page.as_str().unwrap()).await;
        browser.until("document.querySelector('#link').dataset.state === 'live'").await;
        browser
            .until(
                "[...document.querySelectorAll('#ladder b')].some(what => what.textContent === 'Barge-in')",
            )
            .await;
        browser.until("document.querySelector('#transcript .cut') !== null").await;
        browser.until("document.querySelector('#head .pill')?.textContent === 'We hung up'").await;
        page.as_str().unwrap().to_owned()
    };
    let (report, page) = tokio::join!(house.call(caller()), watch);
    house.until_quiet().await;
    browser.open(&page).await;
    let rungs =
        browser.ask("[...document.querySelectorAll('#ladder b')].map(what => what.textContent).join()").await;
    let rungs = rungs.as_str().unwrap();
    let mut from = 0;
    for rung in [
        "Webhook",
        "TwiML",
        "Upgrade",
        "Start",
        "First audio",
        "Caller",
        "Barge-in",
        "Tool end_call",
        "Ended",
    ] {
        let at = rungs[from..].find(rung).unwrap_or_else(|| panic!("{rung} after {from} in {rungs}"));
        from += at;
    }
    assert!(rungs.contains("Model dialled") && rungs.contains("Model ready"), "{rungs}");
    let text = browser.ask("document.querySelector('main').innerText").await.to_string();
    assert!(text.contains("··· 0123") && !text.contains(CALLER) && text.contains("$0."), "{text}");
    pictures(&mut browser, "call").await;
    assert!(
        browser.ask("document.querySelectorAll('.wave rect.caller, .wave rect.model').length").await.as_u64()
            > Some(50)
    );
    let seconds = browser.ask(PLAYS).await.as_f64().unwrap();
    assert!((5.0..60.0).contains(&seconds), "the recording has {seconds} s");
    assert_eq!(browser.ask(PART).await, "206,4,bytes 4-7");
    browser.open(&format!("{page}/replay/1")).await;
    browser.until("document.querySelector('.notice').textContent.includes('identical to the byte')").await;
    pictures(&mut browser, "replay").await;
    for (path, name) in [
        ("calls", "calls"),
        ("businesses", "businesses"),
        ("businesses/business-1", "business"),
        ("status", "health"),
    ] {
        browser.open(&format!("{}/{path}", house.base)).await;
        pictures(&mut browser, name).await;
    }
    assert_eq!(report.problems(), Vec::<String>::new());
    // A form that is refused is an answer of 403, which a browser reports: once, for the wrong token.
    browser.complaints.retain(|complaint| !(complaint.contains("403") && complaint.contains("/login")));
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[tokio::test]
async fn an_operator_has_something_said_and_ends_a_call_from_its_page() {
    let Some(chromium) = chromium() else { return };
    let answers = vec![Reply::speech(speech(2, 800), "One moment, please."); PATIENT_TURNS + 2];
    let house = house_of("window-operator", &[], answers).await;
    let mut plan = house.plan(patient_caller());
    plan.longest = Duration::from_secs(150);
    let mut browser = Browser::start(&chromium).await;
    log_in(&mut browser, &house.base).await;
    let operate = async {
        browser.until("document.querySelector('#calls .pill')?.textContent === 'Talking'").await;
        browser
            .until("document.querySelector('#calls .said').textContent.includes('When are you open?')")
            .await;
        pictures(&mut browser, "now").await;
        let page = browser.ask("document.querySelector('#calls a').href").await;
        browser.open(page.as_str().unwrap()).await;
        browser.until("document.querySelector('#link').dataset.state === 'live'").await;
        pictures(&mut browser, "call-live").await;
        let say = "document.querySelector('#say').value = 'We close in five minutes.'; \
                   document.querySelector('form[action$=say]').requestSubmit()";
        browser.ask(say).await;
        browser.until("document.querySelector('.notice')?.textContent.startsWith('Told.')").await;
        let asked = async || {
            let asks = house.said_to_model(0, "response.create");
            asks.iter().any(|ask| ask.to_string().contains("We close in five minutes."))
        };
        until("the model was not asked to say it", asked).await;
        browser
            .ask(
                "window.confirm = () => true; document.querySelector('form[action$=hang-up] button').click()",
            )
            .await;
        browser.until("document.querySelector('#head .pill')?.textContent === 'We hung up'").await;
    };
    let (report, ()) = tokio::join!(house.phone.call(plan), operate);
    house.until_quiet().await;
    assert_eq!(report.problems(), Vec::<String>::new());
    assert_eq!(house.record(&report.call).await.ending, Some(frontdesk::domain::Ending::HungUp));
}

#[tokio::test]
async fn an_operator_acts_from_the_list_and_what_is_half_written_survives_what_the_call_does() {
    let Some(chromium) = chromium() else { return };
    let answers = vec![Reply::speech(speech(2, 800), "One moment, please."); PATIENT_TURNS + 2];
    let house = house_of("window-list", &[], answers).await;
    let mut plan = house.plan(patient_caller());
    plan.longest = Duration::from_secs(150);
    let mut browser = Browser::start(&chromium).await;
    log_in(&mut browser, &house.base).await;
    let operate = async {
        browser.until("document.querySelector('#calls .pill')?.textContent === 'Talking'").await;
        browser.ask("document.querySelector('#calls summary').focus()").await;
        browser.key("Enter", 13, "\r").await;
        browser.until("document.querySelector('#calls .act[open] input[name=words]') !== null").await;
        browser.key("Tab", 9, "").await;
        browser.write("We close in ").await;
        browser.ask("window.words = document.activeElement").await;
        for _ in 0..2 {
            browser.ask("window.said = document.querySelector('#calls .said').textContent").await;
            browser.until("document.querySelector('#calls .said').textContent !== window.said").await;
        }
        let kept =
            "document.activeElement === window.words && window.words.isConnected && window.words.value";
        assert_eq!(browser.ask(kept).await, "We close in ");
        browser.write("five minutes.").await;
        pictures(&mut browser, "now-act").await;
        browser.key("Enter", 13, "\r").await;
        browser.until("document.querySelector('.notice')?.textContent.startsWith('Told.')").await;
        assert_eq!(browser.ask("location.pathname").await, "/");
        let asked = async || {
            let asks = house.said_to_model(0, "response.create");
            asks.iter().any(|ask| ask.to_string().contains("We close in five minutes."))
        };
        until("the model was not asked to say it", asked).await;
        browser.ask("document.querySelector('#calls summary').click()").await;
        browser.until("document.querySelector('#calls form[action$=transfer] option') !== null").await;
        browser.ask("document.querySelector('#calls .act input[name=words]').focus()").await;
        browser.key("Escape", 27, "").await;
        let folded = "document.querySelector('#calls .act').open === false && document.activeElement.tagName";
        assert_eq!(browser.ask(folded).await, "SUMMARY");
        browser
            .ask(
                "window.confirm = () => true; document.querySelector('#calls form[action$=hang-up] button').click()",
            )
            .await;
        browser.until("document.querySelectorAll('#calls > li').length === 0").await;
        assert_eq!(browser.ask("location.pathname + location.search").await, "/?did=done");
    };
    let (report, ()) = tokio::join!(house.phone.call(plan), operate);
    house.until_quiet().await;
    assert_eq!(report.problems(), Vec::<String>::new());
    assert_eq!(house.record(&report.call).await.ending, Some(frontdesk::domain::Ending::HungUp));
    browser.complaints.retain(|complaint| !(complaint.contains("403") && complaint.contains("/login")));
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[tokio::test]
async fn a_voicemail_is_on_the_page_of_its_call_and_heard_there_in_parts() {
    let Some(chromium) = chromium() else { return };
    let script = Script { faults: vec![ModelFault::RefuseHandshake(401)], ..plain() };
    let asleep = r#""fallback":{"voicemail":"Luna Dental is asleep. Speak after the tone."}"#;
    let businesses = LUNA.replace(r#""fallback":{"transfer":"front-office"}"#, asleep);
    let settings = vec![("ADMIN_TOKEN", TOKEN.to_owned())];
    let plans = Plans { settings, businesses, ..Plans::new("window-voicemail", vec![script]) };
    let house = House::build(plans).await;
    let pound = Step { when: When::After(100), act: Act::Press('#') };
    let report = house.call(vec![asks(), pound]).await;
    house.until_quiet().await;
    let mut browser = Browser::start(&chromium).await;
    log_in(&mut browser, &house.base).await;
    let page = format!("{}/calls/{}", house.base, report.call);
    let left = async || house.store.voicemails_in(&report.call).await.unwrap().len() == 1;
    until("the voicemail is not kept", left).await;
    browser.open(&page).await;
    browser.until("document.querySelector('[aria-labelledby=left] p').textContent.includes('long')").await;
    let seconds = browser.ask(&PLAYS.replace("audio')", "[aria-labelledby=left] audio')")).await;
    assert!((0.25..3.0).contains(&seconds.as_f64().unwrap()), "the voicemail has {seconds} s");
    assert_eq!(browser.ask(PART).await, "206,4,bytes 4-7");
    pictures(&mut browser, "call-voicemail").await;
}

#[tokio::test]
async fn the_ladder_of_a_call_that_never_connected_names_the_missing_rung() {
    let Some(chromium) = chromium() else { return };
    let house = house("window-broken", &[]).await;
    let call = CallSid::parse("CA000000000000000000000000000000b7").unwrap();
    let form = [
        ("CallSid", call.as_str()),
        ("AccountSid", ACCOUNT),
        ("From", CALLER),
        ("To", LINE),
        ("CallStatus", "ringing"),
    ];
    let url = format!("{}/twilio-voice", house.base);
    let pairs: Vec<_> = form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let signed =
        house.http.post(&url).header("x-twilio-signature", sign(AUTH_TOKEN, &url, &pairs)).form(&form);
    assert!(signed.send().await.unwrap().text().await.unwrap().contains("<Stream"));
    let mut browser = Browser::start(&chromium).await;
    log_in(&mut browser, &house.base).await;
    browser.open(&format!("{}/calls/{call}", house.base)).await;
    browser.until("document.querySelector('#head .pill')?.textContent === 'Never connected'").await;
    house.until_quiet().await;
    browser.open(&format!("{}/calls/{call}", house.base)).await;
    browser
        .until("document.querySelector('#ladder .missing b')?.textContent === 'The stream is opened'")
        .await;
    browser.until("document.querySelector('.diagnosis').innerText.includes('frontdesk doctor')").await;
    pictures(&mut browser, "call-broken").await;
    browser.open(&format!("{}/status", house.base)).await;
    browser.until("document.body.innerText.includes('No stream came')").await;
    pictures(&mut browser, "health-broken").await;
}

#[tokio::test]
async fn a_page_whose_socket_is_cut_asks_instead_and_listens_again_without_a_complaint() {
    let Some(chromium) = chromium() else { return };
    let house = house("window-cut", &[]).await;
    let wire = Wire::to(&house.base).await;
    let mut browser = Browser::start(&chromium).await;
    log_in(&mut browser, &wire.base).await;
    browser.until("document.querySelector('#link').dataset.state === 'live'").await;
    browser.complaints.clear();
    wire.cut(true);
    browser.until("document.querySelector('#link').dataset.state === 'asking'").await;
    let story = async {
        browser.until("document.querySelector('#calls .pill')?.textContent === 'Talking'").await;
        assert_eq!(browser.ask("document.querySelector('#link').dataset.state").await, "asking");
        pictures(&mut browser, "now-asking").await;
        wire.cut(false);
        browser.until("document.querySelector('#link').dataset.state === 'live'").await;
        browser.until("document.querySelectorAll('#calls > li').length === 0").await;
    };
    let (_report, ()) = tokio::join!(house.call(quiet_caller(14_000)), story);
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[tokio::test]
async fn where_nothing_is_pushed_a_page_asks_from_the_beginning() {
    let Some(chromium) = chromium() else { return };
    let house = house("window-polls", &[("WEBSOCKET_ENABLED", "false")]).await;
    let mut browser = Browser::start(&chromium).await;
    log_in(&mut browser, &house.base).await;
    browser.until("document.querySelector('#link').dataset.state === 'asking'").await;
    let story = async {
        browser.until("document.querySelectorAll('#calls > li').length === 1").await;
        browser.until("document.querySelectorAll('#calls > li').length === 0").await;
    };
    let (_report, ()) = tokio::join!(house.call(quiet_caller(6_000)), story);
}

#[tokio::test]
async fn a_page_shows_the_calls_that_another_instance_carries() {
    let Some(chromium) = chromium() else { return };
    let there = house("window-there", &[]).await;
    let database = format!("sqlite://{}", there.file("frontdesk.db").display());
    let here = house("window-here", &[("DATABASE_URL", &database)]).await;
    let mut browser = Browser::start(&chromium).await;
    log_in(&mut browser, &here.base).await;
    let story = async {
        browser
            .until("document.querySelector('#calls .said')?.textContent.startsWith('Carried by instance')")
            .await;
        browser.until("document.querySelector('#calls .pill').textContent === 'Talking'").await;
        browser.until("document.querySelectorAll('#calls > li').length === 0").await;
    };
    let (_report, ()) = tokio::join!(there.call(quiet_caller(14_000)), story);
}
