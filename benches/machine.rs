//! What a call costs without sockets: ten minutes in virtual time, and one frame each way through the machine.
//! `cargo bench --bench machine`. Best and median of several runs; the machine is seldom quiet.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and may stop"
)]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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
    report("600 s of call, both actors and the machine", 1, || {
        let ended = World::new(plan.clone()).run().ended_at;
        assert!(ended.as_millis() > 590_000, "{ended}");
    });
    from_caller();
    from_model();
}

/// A frame of the caller's, from Twilio's text to the event for the model.
fn from_caller() {
    const FRAMES: u64 = 50_000;
    let payload = STANDARD.encode(tone::sine(220, 20));
    let frames: Vec<Text> = (0..FRAMES)
        .map(|n| {
            format!(
                r#"{{"event":"media","sequenceNumber":"{n}","media":{{"track":"inbound","chunk":"{n}","timestamp":"{}","payload":"{payload}"}},"streamSid":"MZ1"}}"#,
                61 + n * 20
            )
            .into()
        })
        .collect();
    report("a frame, caller to model", FRAMES, || {
        let (mut call, mut codec) = answered();
        for (n, frame) in frames.iter().enumerate() {
            let input = Input::Caller(FromTwilio::parse(frame).unwrap());
            call.handle(input, Moment::from_millis(20 * n as u64));
            while let Some(output) = call.next_output() {
                if let Output::Model(words @ ToModel::Audio(_)) = output {
                    std::hint::black_box(codec.say(&words));
                }
            }
        }
    });
}

/// 200 ms of the model's, from its text to the messages for Twilio, marks and their echoes included.
fn from_model() {
    const PIECES: u64 = 5_000;
    let audio = STANDARD.encode(tone::sine(220, 200));
    let delta: Text = format!(
        r#"{{"type":"response.output_audio.delta","event_id":"event_1","response_id":"r","item_id":"i","output_index":0,"content_index":0,"delta":"{audio}"}}"#
    )
    .into();
    let stream = frontdesk::domain::StreamSid::parse("MZ1").unwrap();
    report("200 ms, model to caller", PIECES, || {
        let (mut call, mut codec) = answered();
        let mut text = String::new();
        let mut marks = Vec::new();
        for n in 0..PIECES {
            let now = Moment::from_millis(200 * n);
            call.handle(Input::Model(codec.hear(&delta).unwrap()), now);
            for step in [0, 100] {
                call.handle(Input::Tick, now + Duration::from_millis(step));
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
                    call.handle(Input::Caller(FromTwilio::Mark(mark)), now + Duration::from_millis(step));
                }
            }
        }
    });
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

fn report(what: &str, count: u64, mut run: impl FnMut()) {
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
