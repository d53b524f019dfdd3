//! What a call costs without sockets: ten minutes in virtual time, and one frame each way through the machine, in time
//! and in allocations.
//! `cargo bench --bench machine`. Best and median of several runs; the machine is seldom quiet.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and may stop"
)]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::cell::RefCell;
use std::ops::Range;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use frontdesk::call::{Brief, Call, Input, Opening, Output};
use frontdesk::domain::{BusinessImport, CallSid, Moment};
use frontdesk::sim::model::{Reply, Script};
use frontdesk::sim::world::{Plan, World};
use frontdesk::sim::{Act, Step, When, tone};
use frontdesk::wire::Text;
use frontdesk::wire::model::{AudioFormat, FromModel, ToModel};
use frontdesk::wire::realtime::Codec;
use frontdesk::wire::twilio::media::{FromTwilio, ToTwilio};

const LUNA: &str = r#"{"businesses":[{"id":"luna","name":"Luna Dental","plan":"premium","greeting":"Hello.","instructions":"Be kind."}]}"#;

const START: &str = r#"{"event":"start","start":{"accountSid":"AC1","streamSid":"MZ1","callSid":"CA00000000000000000000000000000001","mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}"#;

const RUNS: usize = 7;

fn main() {
    let caller =
        (0..200).map(|_| Step { when: When::AfterSilence(700), act: Act::Say(tone::sine(220, 700)) });
    let reply = |seed, samples| Reply::speech(tone::noise(seed, samples), "Yes, we are open on Saturdays.");
    let plan = Plan::new(brief(), Script::new(reply(1, 16_000), reply(2, 32_000)), caller.collect()).unwrap();
    time("600 s of call, both actors and the machine", 1, || {
        let ended = World::new(plan.clone()).run().ended_at;
        assert!(ended.as_millis() > 590_000, "{ended}");
    });
    from_caller();
    from_model();
}

/// A frame of the caller's, from Twilio's text to the event for the model.
fn from_caller() {
    const FRAMES: usize = 50_000;
    let payload = STANDARD.encode(tone::sine(220, 20));
    let frames: Vec<Text> = (0..FRAMES)
        .map(|n| {
            as_it_comes(&format!(
                r#"{{"event":"media","sequenceNumber":"{n}","media":{{"track":"inbound","chunk":"{n}","timestamp":"{}","payload":"{payload}"}},"streamSid":"MZ1"}}"#,
                61 + n * 20
            ))
        })
        .collect();
    let carry = |call: &mut Call, codec: &mut Codec, range: Range<usize>| {
        for (frame, n) in frames[range.clone()].iter().zip(range) {
            let input = Input::Caller(FromTwilio::parse(frame).unwrap());
            call.handle(input, Moment::from_millis(20 * n as u64));
            while let Some(output) = call.next_output() {
                if let Output::Model(words @ ToModel::Audio(_)) = output {
                    std::hint::black_box(codec.say(&words));
                }
            }
        }
    };
    report("a frame, caller to model", FRAMES, carry);
}

/// 200 ms of the model's, from its text to the messages for Twilio, marks and their echoes included.
fn from_model() {
    const PIECES: usize = 5_000;
    let audio = STANDARD.encode(tone::sine(220, 200));
    let delta = as_it_comes(&format!(
        r#"{{"type":"response.output_audio.delta","event_id":"event_1","response_id":"r","item_id":"i","output_index":0,"content_index":0,"delta":"{audio}"}}"#
    ));
    let stream = frontdesk::domain::StreamSid::parse("MZ1").unwrap();
    let text = RefCell::new(String::with_capacity(4 * 1024));
    let marks = RefCell::new(Vec::with_capacity(16));
    report("200 ms, model to caller", PIECES, |call, codec, range| {
        let (mut text, mut marks) = (text.borrow_mut(), marks.borrow_mut());
        for n in range {
            let now = Moment::from_millis(200 * n as u64);
            call.handle(Input::Model(codec.hear(&delta).unwrap()), now);
            for step in [0, 100] {
                let now = now + Duration::from_millis(step);
                call.handle(Input::Tick, now);
                while let Some(output) = call.next_output() {
                    if let Output::Caller(words) = output {
                        text.clear();
                        words.write(&stream, &mut text);
                        std::hint::black_box(&text);
                        if let ToTwilio::Mark(name) = words {
                            marks.push(name);
                        }
                    }
                }
                for mark in marks.drain(..) {
                    call.handle(Input::Caller(FromTwilio::Mark(mark)), now);
                }
            }
        }
    });
}

/// A frame in memory that is shared already, as a socket's is.
fn as_it_comes(text: &str) -> Text {
    let mut buffer = BytesMut::with_capacity(text.len());
    buffer.extend_from_slice(text.as_bytes());
    Text::from_utf8(buffer.split().freeze()).unwrap()
}

/// A call whose caller and model are there.
fn answered() -> (Call, Codec) {
    let brief = brief();
    let mut codec = Codec::new(brief.session());
    while codec.next_frame().is_some() {}
    let mut call = Call::new(brief);
    call.handle(Input::Model(FromModel::Ready(AudioFormat::Mulaw8k)), Moment::START);
    call.handle(Input::Caller(FromTwilio::parse(&START.into()).unwrap()), Moment::START);
    call.handle(
        Input::Model(FromModel::ResponseStarted { response: "r".into(), tag: Some(1) }),
        Moment::START,
    );
    while call.next_output().is_some() {}
    (call, codec)
}

/// Carries so many, each time with a new call, and says how long one takes; and what it allocates, when the call has
/// talked for a while.
fn report(what: &str, count: usize, carry: impl Fn(&mut Call, &mut Codec, Range<usize>)) {
    time(what, count, || {
        let (mut call, mut codec) = answered();
        carry(&mut call, &mut codec, 0..count);
    });
    let (mut call, mut codec) = answered();
    let half = count / 2;
    carry(&mut call, &mut codec, 0..half);
    let allocated = allocation_counter::measure(|| carry(&mut call, &mut codec, half..count));
    let each = |total: u64| total as f64 / (count - half) as f64;
    println!(
        "{:<45} {:.2} allocations, {:.0} bytes",
        "",
        each(allocated.count_total),
        each(allocated.bytes_total)
    );
}

fn time(what: &str, count: usize, mut run: impl FnMut()) {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            run();
            began.elapsed() / u32::try_from(count).unwrap()
        })
        .collect();
    times.sort();
    println!("{what:<45} best {:>10.3?}   median {:>10.3?}", times[0], times[RUNS / 2]);
}

fn brief() -> Brief {
    let mut import: BusinessImport = serde_json::from_str(LUNA).unwrap();
    let business = import.businesses.remove(0);
    Brief {
        call: CallSid::parse("CA00000000000000000000000000000001").unwrap(),
        attempt: 1,
        plan: business.plan.clone(),
        business,
        from: "+14155550123".to_owned().into(),
        longest: Duration::from_secs(3_600),
        recorded: false,
        began_ms: 0,
        opening: Opening::Greet,
        bridging: None,
    }
}
