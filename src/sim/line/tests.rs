//! The stream against the recorded call, and where Twilio is strict.

use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::sim::{Act, Step, When, tone};
use crate::wire::twilio::media::{FromTwilio, ToTwilio};

const CALL: &str = include_str!("../../../fixtures/wire/twilio_call_10s.jsonl");

/// One way over the recorded call's line.
const LATENCY_MS: u64 = 10;

fn names() -> StreamNames {
    let parameters = [("token", "t0k3n-7b0a3f"), ("caller", "+14155550123")];
    StreamNames {
        account: AccountSid::parse("AC00000000000000000000000000000001").unwrap(),
        call: CallSid::parse("CA00000000000000000000000000000001").unwrap(),
        stream: StreamSid::parse("MZ00000000000000000000000000000001").unwrap(),
        parameters: parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    }
}

const fn ms(ms: u64) -> Moment {
    Moment::from_millis(ms)
}

/// Runs a stream until `end_ms`, hearing `told` at their times; returns what it said, with the times.
fn run(
    stream: &mut TwilioStream,
    caller: &mut Caller,
    told: &[(u64, Frame)],
    end_ms: u64,
) -> Vec<(u64, Frame)> {
    let mut said = Vec::new();
    let mut told = told.iter().peekable();
    loop {
        let next = told.peek().map(|(at, _)| ms(*at));
        let Some(now) = stream.wake_at().into_iter().chain(next).min() else { break };
        if now > ms(end_ms) {
            break;
        }
        stream.wake(caller, now);
        while let Some((_, frame)) = told.next_if(|(at, _)| ms(*at) <= now) {
            stream.hear(frame, now);
        }
        while let Some(frame) = stream.next_frame(now) {
            said.push((now.as_millis(), frame));
        }
    }
    said
}

fn json(frame: &Frame) -> Value {
    let Frame::Text(text) = frame else { return Value::Null };
    serde_json::from_str(text).unwrap()
}

fn of_event<'a>(said: &'a [(u64, Frame)], event: &str) -> Vec<(u64, &'a Frame)> {
    said.iter().filter(|(_, frame)| json(frame)["event"] == event).map(|(at, frame)| (*at, frame)).collect()
}

fn text(frame: &str) -> Frame {
    Frame::Text(frame.into())
}

#[test]
fn the_recorded_call_is_reproduced_frame_by_frame() {
    let mut expected = Vec::new();
    let mut told = Vec::new();
    let mut speech = vec![0xFF_u8; 10_000 * 8];
    for line in CALL.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let (at, frame) = (line["t_ms"].as_u64().unwrap(), text(line["frame"].as_str().unwrap()));
        if line["dir"] == "server->twilio" {
            told.push((at + LATENCY_MS, frame));
        } else {
            let message = json(&frame);
            if message["event"] == "media" {
                let audio = STANDARD.decode(message["media"]["payload"].as_str().unwrap()).unwrap();
                speech[(at as usize - 85) * 8..][..audio.len()].copy_from_slice(&audio);
            }
            expected.push((at, frame));
        }
    }
    let script = vec![Step { when: When::At(ms(0)), act: Act::Say(speech.into()) }];
    let faults = vec![LineFault::Lose { at_ms: 5_521, for_ms: 40 }];
    let mut stream = TwilioStream::new(names(), faults, ms(0));
    let said = run(&mut stream, &mut Caller::new(script), &told, 9_370);

    assert_eq!(stream.violations(), []);
    let media = of_event(&said, "media");
    let recorded = of_event(&expected, "media");
    assert_eq!(media.len(), recorded.len());
    for ((at, mine), (then, theirs)) in media.iter().zip(&recorded) {
        assert_eq!(at, then);
        assert_eq!(json(mine)["media"], json(theirs)["media"]);
    }
    // Key for key, byte for byte, but for the sequence number.
    assert_eq!(said[0].1, expected[0].1);
    // The order of the custom parameters is nobody's promise.
    assert_eq!(json(&said[1].1), json(&expected[1].1));
    assert_eq!(media[0].1, recorded[0].1);
    let marks: Vec<_> = of_event(&said, "mark")
        .iter()
        .map(|(at, mark)| (*at + LATENCY_MS, json(mark)["mark"].clone()))
        .collect();
    for (at, mark) in of_event(&expected, "mark") {
        let (mine, _) = marks.iter().find(|(_, name)| *name == json(mark)["mark"]).unwrap();
        // The recording's answer to `clear` took 18 ms longer than its line.
        assert!(mine.abs_diff(at) <= 18, "{} at {mine}, recorded at {at}", json(mark));
    }
    assert_eq!(marks.len(), 32);
    for (_, frame) in &said {
        let Frame::Text(text) = frame else { panic!() };
        FromTwilio::parse(text).unwrap();
    }
}

#[test]
fn what_twilio_refuses_is_refused_and_noted() {
    let cases = [
        (Frame::Binary(Bytes::from_static(b"x")), 31950),
        (text("hello"), 31951),
        (text(r#"{"event":"clear"}"#), 31951),
        (text(r#"{"event":"clear","streamSid":"MZ00000000000000000000000000000002"}"#), 31951),
        (text(r#"{"event":"clear","streamSid":"MZ00000000000000000000000000000001","x":1}"#), 31951),
        (text(r#"{"event":"stop","streamSid":"MZ00000000000000000000000000000001"}"#), 31951),
        (
            text(
                r#"{"event":"media","streamSid":"MZ00000000000000000000000000000001","media":{"payload":"/"}}"#,
            ),
            31951,
        ),
        (
            text(
                r#"{"event":"media","streamSid":"MZ00000000000000000000000000000001","media":{"payload":"//8=","track":"outbound"}}"#,
            ),
            31951,
        ),
        (
            text(
                r#"{"event":"mark","streamSid":"MZ00000000000000000000000000000001","media":{"payload":"//8="}}"#,
            ),
            31951,
        ),
    ];
    let mut stream = TwilioStream::new(names(), Vec::new(), ms(0));
    let told: Vec<_> = cases.iter().map(|(frame, _)| (100, frame.clone())).collect();
    run(&mut stream, &mut Caller::silent(), &told, 200);
    let codes: Vec<u16> = stream.violations().iter().map(|violation| violation.code).collect();
    assert_eq!(codes, cases.map(|(_, code)| code));
    assert!(stream.playout().pieces().is_empty());
}

#[test]
fn nothing_may_be_said_before_start() {
    let mut stream = TwilioStream::new(names(), Vec::new(), ms(0));
    run(
        &mut stream,
        &mut Caller::silent(),
        &[(1, text(r#"{"event":"clear","streamSid":"MZ00000000000000000000000000000001"}"#))],
        50,
    );
    assert_eq!(stream.violations().len(), 1);
}

#[test]
fn a_held_line_comes_in_a_burst_and_nothing_is_lost() {
    let faults = vec![LineFault::Hold { at_ms: 200, for_ms: 500 }];
    let mut stream = TwilioStream::new(names(), faults, ms(0));
    let said = run(&mut stream, &mut Caller::silent(), &[], 1_000);
    let media = of_event(&said, "media");
    assert_eq!(media.iter().filter(|(at, _)| *at == 700).count(), 25);
    let stamps: Vec<u64> =
        media.iter().map(|(_, m)| json(m)["media"]["timestamp"].as_str().unwrap().parse().unwrap()).collect();
    assert!(stamps.windows(2).all(|two| two[1] - two[0] == 20));
}

#[test]
fn keys_then_hanging_up_end_in_stop_and_close() {
    let script = vec![
        Step { when: When::At(ms(200)), act: Act::Press('#') },
        Step { when: When::After(100), act: Act::HangUp },
    ];
    let mut stream = TwilioStream::new(names(), Vec::new(), ms(0));
    let said = run(&mut stream, &mut Caller::new(script), &[], 1_000);
    assert_eq!(json(of_event(&said, "dtmf")[0].1)["dtmf"]["digit"], "#");
    let [.., (_, stop), (_, close)] = said.as_slice() else { panic!() };
    assert_eq!(json(stop)["event"], "stop");
    assert_eq!(*close, Frame::normal_close());
    assert!(stream.is_over());
    assert_eq!(stream.wake_at(), None);
}

#[test]
fn faults_repeat_insert_and_reset() {
    let faults = vec![
        LineFault::Repeat { at_ms: 200 },
        LineFault::Insert { at_ms: 300, frame: Frame::Binary(Bytes::from_static(b"?")) },
        LineFault::Reset { at_ms: 400 },
    ];
    let mut stream = TwilioStream::new(names(), faults, ms(0));
    let said = run(&mut stream, &mut Caller::silent(), &[], 1_000);
    let frames: Vec<&Frame> = said.iter().map(|(_, frame)| frame).collect();
    assert_eq!(frames.windows(2).filter(|two| two[0] == two[1]).count(), 1);
    assert!(frames.contains(&&Frame::Binary(Bytes::from_static(b"?"))));
    assert_eq!(*frames.last().unwrap(), &Frame::Reset);
    assert!(of_event(&said, "stop").is_empty());
}

#[test]
fn our_own_messages_are_accepted_and_marks_return_when_played() {
    let stream_sid = names().stream;
    let written = |message: ToTwilio| {
        let mut out = String::new();
        message.write(&stream_sid, &mut out);
        text(&out)
    };
    let audio = STANDARD.encode(tone::noise(1, 1_600));
    let told = [
        (100, written(ToTwilio::Media(audio.as_str().into()))),
        (100, written(ToTwilio::Mark("played".into()))),
        (400, written(ToTwilio::Media(audio.as_str().into()))),
        (400, written(ToTwilio::Mark("cleared".into()))),
        (450, written(ToTwilio::Clear)),
    ];
    let mut stream = TwilioStream::new(names(), Vec::new(), ms(0));
    let said = run(&mut stream, &mut Caller::silent(), &told, 1_000);
    let marks: Vec<_> =
        of_event(&said, "mark").iter().map(|(at, mark)| (*at, json(mark)["mark"]["name"].clone())).collect();
    assert_eq!(marks, [(300, "played".into()), (450, "cleared".into())]);
    let played: Vec<usize> = stream.playout().pieces().iter().map(|piece| piece.played).collect();
    assert_eq!(played, [1_600, 400]);
    assert_eq!(stream.violations(), []);
}
