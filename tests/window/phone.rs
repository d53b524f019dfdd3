//! A person at a desk calls a business from its page: the same way as from a telephone, but for the doors.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk::audio::mulaw;
use frontdesk::call::Note;
use frontdesk::domain::{CallSid, Ending, Speaker};
use frontdesk::sim::model::Reply;
use frontdesk::store::Ledger as _;

use crate::browser::{Browser, chromium};
use crate::house::{House, Plans};
use crate::scenes::{goodbye, script, speech};
use crate::story::{LONG, TOKEN, log_in, pictures};
use crate::wire::Wire;

/// A voice at the microphone: silence, a sentence of a second, and silence again until the browser begins anew.
const SILENT_MS: usize = 2_000;
const SPOKEN_MS: usize = 1_000;
const REST_MS: usize = 3_000;

/// What stands for a voice: in the midst of what a telephone carries.
const PITCH_HZ: u32 = 440;

/// The rate of the file at the microphone.
const FILE_HZ: u32 = 48_000;

/// Writes what the microphone hears, again and again.
fn microphone(path: &Path) {
    let mut samples = vec![0_i16; (SILENT_MS + SPOKEN_MS + REST_MS) * 48];
    let from = SILENT_MS * 48;
    for (at, sample) in samples[from..from + SPOKEN_MS * 48].iter_mut().enumerate() {
        let angle = std::f64::consts::TAU * f64::from(PITCH_HZ) * at as f64 / f64::from(FILE_HZ);
        *sample = (angle.sin() * 9_000.0) as i16;
    }
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let long = u32::try_from(bytes.len()).unwrap();
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((36 + long).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1_u16, 1].into_iter().flat_map(u16::to_le_bytes));
    wav.extend([FILE_HZ, FILE_HZ * 2].into_iter().flat_map(u32::to_le_bytes));
    wav.extend([2_u16, 16].into_iter().flat_map(u16::to_le_bytes));
    wav.extend(b"data");
    wav.extend(long.to_le_bytes());
    wav.extend(bytes);
    std::fs::write(path, wav).unwrap();
}

/// What the flags of a browser with that microphone are; nobody is asked whether the page may hear it.
fn with_microphone(folder: &Path) -> Vec<String> {
    let path = folder.join("voice.wav");
    microphone(&path);
    vec![
        "--use-fake-device-for-media-stream".to_owned(),
        "--use-fake-ui-for-media-stream".to_owned(),
        format!("--use-file-for-fake-audio-capture={}", path.display()),
    ]
}

async fn house(name: &'static str, turns: Vec<Reply>) -> House {
    let mut script = script(turns);
    script.transcripts = ["When are you open?", "And on Saturday?", "Thanks, bye."].map(str::to_owned).into();
    House::build(Plans {
        settings: vec![("ADMIN_TOKEN", TOKEN.to_owned())],
        ..Plans::new(name, vec![script])
    })
    .await
}

/// At the page of Luna Dental, with a telephone that is ready.
async fn at_the_desk(browser: &mut Browser, house: &House) {
    log_in(browser, &house.base).await;
    browser.complaints.clear();
    browser.open(&format!("{}/businesses/business-1", house.base)).await;
    browser.until("!document.querySelector('#phone-call').disabled").await;
}

async fn state(browser: &mut Browser, word: &str) {
    browser.until(&format!("document.querySelector('#phone-state').textContent === '{word}'")).await;
}

/// The call the page has placed.
async fn placed(browser: &mut Browser) -> CallSid {
    let page = browser.ask("document.querySelector('#phone-page a').href").await;
    CallSid::parse(page.as_str().unwrap().rsplit('/').next().unwrap()).unwrap()
}

/// All of the caller's audio that the model was given, as samples.
fn given(house: &House) -> Vec<i16> {
    let appended = house.said_to_model(0, "input_audio_buffer.append");
    let bytes = appended.iter().flat_map(|event| STANDARD.decode(event["audio"].as_str().unwrap()).unwrap());
    bytes.map(mulaw::decode).collect()
}

/// How much of the power of these samples is at that pitch, from 0 to 1.
fn purity(samples: &[i16], hz: u32) -> f64 {
    let (mut along, mut across, mut all) = (0.0, 0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let (value, angle) =
            (f64::from(*sample), std::f64::consts::TAU * f64::from(hz) * at as f64 / 8_000.0);
        along += value * angle.cos();
        across += value * angle.sin();
        all += value * value;
    }
    2.0 * (along * along + across * across) / (all * samples.len() as f64)
}

#[tokio::test]
async fn a_person_calls_a_business_from_its_page_interrupts_and_is_hung_up_at_the_goodbye() {
    let Some(chromium) = chromium() else { return };
    // The second is for the key that is pressed.
    let turns = vec![
        Reply::speech(speech(2, 12_000), LONG),
        Reply::speech(speech(3, 400), "Seven, I see."),
        goodbye(),
    ];
    let house = house("window-phone", turns).await;
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Browser::start_with(&chromium, with_microphone(folder.path())).await;
    at_the_desk(&mut browser, &house).await;
    pictures(&mut browser, "phone-ready").await;
    let words = "window.words = []; new MutationObserver(() => words.push(document.querySelector('#phone-state').textContent)) \
                 .observe(document.querySelector('#phone-state'), {childList: true, characterData: true, subtree: true})";
    browser.ask(words).await;
    let bars = "window.bars = new Set(); new MutationObserver(changes => changes.forEach(it => bars.add(it.target.className))) \
                .observe(document.querySelector('#phone-meter'), {attributes: true, subtree: true})";
    browser.ask(bars).await;
    browser.press("#phone-call").await;
    state(&mut browser, "Talking").await;
    // The voice has been answered by then, and comes again at eight seconds.
    browser.until("Number(document.querySelector('#phone-time').textContent.split(':')[1]) >= 4").await;
    browser.press("#phone-keys [value='7']").await;
    pictures(&mut browser, "phone-talking").await;
    state(&mut browser, "Ended").await;
    browser.until("document.querySelector('#phone-says').textContent === 'The receptionist hung up.'").await;
    pictures(&mut browser, "phone-ended").await;
    assert_eq!(browser.ask("[...new Set(words)].join()").await, "Microphone,Ringing,Talking,Ended");
    assert_eq!(browser.ask("['c4', 'm4'].every(bar => bars.has(bar) || bars.has(bar[0] + 5))").await, true);
    assert_eq!(browser.ask("document.querySelector('#phone-end').hidden").await, true);

    let call = placed(&mut browser).await;
    assert!(call.is_genuine());
    house.until_quiet().await;
    let record = house.record(&call).await;
    assert_eq!(record.ending, Some(Ending::HungUp));
    assert!(record.is_test() && record.from.reveal() == "test call" && record.talked_ms() > 4_000);
    let asked = house.rest.looks().iter().any(|look| look.contains(call.as_str()));
    assert!(house.rest.requests().is_empty() && !asked, "Twilio was asked about it");
    house.model_refused_nothing();
    the_model_heard_the_voice(&house);
    the_marks_tell_what_was_heard(&house, &call).await;

    browser.open(&format!("{}/calls/{call}", house.base)).await;
    let rungs = "[...document.querySelectorAll('#ladder b')].map(what => what.textContent).join()";
    let rungs = browser.ask(rungs).await.as_str().unwrap().to_owned();
    let mut from = 0;
    for rung in
        ["Test call", "Upgrade", "Start", "First audio", "Caller", "Barge-in", "Tool end_call", "Ended"]
    {
        from += rungs[from..].find(rung).unwrap_or_else(|| panic!("{rung} after {from} in {rungs}"));
    }
    assert!(!rungs.contains("Webhook") && rungs.contains("Keys"), "{rungs}");
    pictures(&mut browser, "phone-call").await;
    assert_eq!(browser.complaints, Vec::<String>::new());
}

/// It is the tone at the microphone, as loud as speech is, and as long; nothing else.
fn the_model_heard_the_voice(house: &House) {
    let samples = given(house);
    let loud: Vec<&[i16]> = samples.chunks_exact(160).filter(|frame| loudness(frame) > 1_000.0).collect();
    let least = SPOKEN_MS / 20 * 8 / 10;
    assert!(loud.len() > least, "{} of {} frames are loud", loud.len(), samples.len() / 160);
    let pure = loud.iter().filter(|frame| purity(frame, PITCH_HZ) > 0.9).count();
    assert!(pure * 10 > loud.len() * 8, "{pure} of {} loud frames are of that pitch", loud.len());
    let quiet = samples.chunks_exact(160).filter(|frame| loudness(frame) < 200.0).count();
    assert!(quiet * 20 > SILENT_MS, "{quiet} frames are silent");
}

fn loudness(frame: &[i16]) -> f64 {
    let power: f64 = frame.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (power / frame.len() as f64).sqrt()
}

/// The greeting was heard to its end, and the long answer up to where the caller cut in: marks came back as they were played.
async fn the_marks_tell_what_was_heard(house: &House, call: &CallSid) {
    let turns = house.store.turns(call).await.unwrap();
    let model: Vec<_> = turns.iter().filter(|turn| turn.speaker == Speaker::Model).collect();
    assert!(model.len() >= 3, "{turns:?}");
    assert!(!model[0].interrupted && model[0].heard_ms.abs_diff(300) < 60, "{:?}", model[0]);
    let cut = model.iter().find(|turn| turn.interrupted).expect("nobody interrupted");
    assert!((500..11_000).contains(&cut.heard_ms), "{cut:?}");
    let notes = house.notes(call, 1);
    let over = notes
        .iter()
        .find_map(|note| if let Note::Over { oddities, .. } = note { Some(*oddities) } else { None });
    let over = over.unwrap();
    assert_eq!((over.garbage, over.unknown, over.bad_audio), (0, 0, 0), "{over:?}");
}

#[tokio::test]
async fn who_hangs_up_on_the_page_is_a_caller_who_hung_up() {
    let Some(chromium) = chromium() else { return };
    let house = house("window-phone-end", vec![Reply::speech(speech(2, 3_000), LONG)]).await;
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Browser::start_with(&chromium, with_microphone(folder.path())).await;
    at_the_desk(&mut browser, &house).await;
    browser.press("#phone-call").await;
    state(&mut browser, "Talking").await;
    browser.press("#phone-mute").await;
    assert_eq!(
        browser.ask("document.querySelector('#phone-mute').getAttribute('aria-pressed')").await,
        "true"
    );
    browser.press("#phone-end").await;
    state(&mut browser, "Ended").await;
    browser.until("document.querySelector('#phone-says').textContent === 'You hung up.'").await;
    let call = placed(&mut browser).await;
    house.until_quiet().await;
    assert_eq!(house.record(&call).await.ending, Some(Ending::CallerHungUp));
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[tokio::test]
async fn a_transfer_says_where_the_caller_would_be_put_through_to() {
    let Some(chromium) = chromium() else { return };
    let transfers = Reply::speech(speech(4, 400), "I am connecting you now.")
        .and_tool("transfer_call", r#"{"destination":"front-office"}"#);
    let house = house("window-phone-transfer", vec![transfers]).await;
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Browser::start_with(&chromium, with_microphone(folder.path())).await;
    at_the_desk(&mut browser, &house).await;
    browser.press("#phone-call").await;
    let says = "document.querySelector('#phone-says').textContent === \
                'Here the caller would be put through to the front office.'";
    browser.until(says).await;
    let call = placed(&mut browser).await;
    house.until_quiet().await;
    assert!(matches!(house.record(&call).await.ending, Some(Ending::Transferred(_))));
    assert!(house.rest.requests().is_empty(), "Twilio was asked to move it");
}

#[tokio::test]
async fn a_microphone_that_is_refused_and_a_business_at_its_limit_are_said_in_words() {
    let Some(chromium) = chromium() else { return };
    let full = |text: &str| text.replace("\"concurrentCalls\":10", "\"concurrentCalls\":0");
    let settings = vec![("ADMIN_TOKEN", TOKEN.to_owned())];
    let businesses = full(crate::house::LUNA);
    let house =
        House::build(Plans { settings, businesses, ..Plans::new("window-phone-full", vec![script(vec![])]) })
            .await;
    let mut browser = Browser::start_with(&chromium, vec!["--deny-permission-prompts".to_owned()]).await;
    at_the_desk(&mut browser, &house).await;
    let insecure =
        "Object.defineProperty(navigator, 'mediaDevices', {value: undefined, configurable: true}); true";
    browser.ask(insecure).await;
    browser.press("#phone-call").await;
    browser.until("document.querySelector('#phone-says').textContent.includes('over https')").await;
    browser.ask("delete navigator.mediaDevices").await;
    let refuse =
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'))";
    browser.ask(refuse).await;
    browser.press("#phone-call").await;
    browser
        .until("document.querySelector('#phone-says').textContent.startsWith('The microphone was refused.')")
        .await;
    pictures(&mut browser, "phone-refused").await;
    let lend = "navigator.mediaDevices.getUserMedia = async () => new AudioContext().createMediaStreamDestination().stream";
    browser.ask(lend).await;
    browser.press("#phone-call").await;
    browser
        .until(
            "document.querySelector('#phone-says').textContent.includes('put through to the front office')",
        )
        .await;
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[tokio::test]
async fn a_way_for_audio_that_is_cut_or_does_not_open_is_said_to_be_a_callers_too() {
    let Some(chromium) = chromium() else { return };
    let house = house("window-phone-cut", vec![]).await;
    let wire = Wire::to(&house.base).await;
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Browser::start_with(&chromium, with_microphone(folder.path())).await;
    log_in(&mut browser, &wire.base).await;
    browser.open(&format!("{}/businesses/business-1", wire.base)).await;
    browser.until("!document.querySelector('#phone-call').disabled").await;
    wire.cut(true);
    browser.press("#phone-call").await;
    browser.until("document.querySelector('#phone-says').textContent.includes('was cut before')").await;
    wire.cut(false);
    browser.ask("document.querySelector('#phone').dataset.media = '/nowhere'; true").await;
    browser.press("#phone-call").await;
    browser.until("document.querySelector('#phone-says').textContent.includes('did not open')").await;
    let says = browser.ask("document.querySelector('#phone-says').textContent").await;
    assert!(says.as_str().unwrap().contains("run frontdesk doctor http://127.0.0.1:"), "{says}");
    pictures(&mut browser, "phone-cut").await;
}

#[tokio::test]
async fn what_no_telephone_carries_does_not_fold_into_what_it_does() {
    let Some(chromium) = chromium() else { return };
    let house = house("window-phone-sound", vec![]).await;
    let mut browser = Browser::start(&chromium).await;
    at_the_desk(&mut browser, &house).await;
    for rate in [16_000, 44_100, 48_000] {
        // Half a second of a tone through the line, and the µ-law that leaves it.
        let said = async |browser: &mut Browser, hz: u32| {
            let through = format!(
                "(async () => {{ const sound = new OfflineAudioContext(1, {rate}, {rate}); \
                 await sound.audioWorklet.addModule(document.querySelector('#phone').dataset.line); \
                 const line = new AudioWorkletNode(sound, 'telephone-line', {{outputChannelCount: [1]}}); \
                 const frames = []; line.port.onmessage = ({{data}}) => data.frame && frames.push(...data.frame); \
                 const tone = new OscillatorNode(sound, {{frequency: {hz}}}); const half = new GainNode(sound, {{gain: .5}}); \
                 tone.connect(half).connect(line).connect(sound.destination); tone.start(); await sound.startRendering(); \
                 while (frames.length < 7840) await new Promise(done => setTimeout(done, 20)); return frames }})()"
            );
            let frames = browser.ask(&through).await;
            let bytes = frames.as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8);
            bytes.map(mulaw::decode).skip(800).collect::<Vec<i16>>()
        };
        let voice = said(&mut browser, 1_000).await;
        let loud = loudness(&voice);
        assert!((10_500.0..12_500.0).contains(&loud), "at {rate} a tone of 11,585 is {loud}");
        assert!(purity(&voice, 1_000) > 0.99, "at {rate}");
        let bound = loudness(&said(&mut browser, 3_300).await);
        assert!(bound > 10_000.0, "at {rate} speech is cut at 3,300 Hz: {bound}");
        for hz in [4_600, 6_000, 7_000] {
            let folded = loudness(&said(&mut browser, hz).await);
            assert!(folded < loud / 100.0, "at {rate} {hz} Hz is heard as {folded} of {loud}");
        }
    }
}
