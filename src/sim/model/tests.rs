//! The service as its clients meet it: order, turns, refusals, faults.

use super::*;
use crate::audio::mulaw;
use crate::domain::TurnDetection;
use crate::sim::tone;
use crate::wire::model::{AudioFormat, FromModel, SessionConfig};
use crate::wire::realtime::Codec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const fn ms(ms: u64) -> Moment {
    Moment::from_millis(ms)
}

/// A client who says things at times and keeps what it is told.
struct Client {
    service: ModelService,
    now: u64,
    told: Vec<(u64, Frame)>,
}

impl Client {
    fn new(script: Script) -> Self {
        let mut client = Self { service: ModelService::new(script, 5, ms(0)), now: 0, told: Vec::new() };
        client.until(0);
        client
    }

    /// A client whose session is set up for µ-law, with the defaults of the telephone.
    fn ready(script: Script) -> Self {
        let mut client = Self::new(script);
        client.say(r#"{"type":"session.update","event_id":"c_1","session":{"type":"realtime","audio":{"input":{"format":{"type":"audio/pcmu"},"transcription":{"model":"x"},"turn_detection":{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":500}},"output":{"format":{"type":"audio/pcmu"}}}}}"#);
        client.until(100);
        client.told.clear();
        client
    }

    fn say(&mut self, text: &str) {
        self.service.hear(Frame::Text(text.into()), ms(self.now));
        self.until(self.now);
    }

    /// Speaks in frames of 20 ms, as a telephone does.
    fn speak(&mut self, audio: &[u8]) {
        for frame in audio.chunks(160) {
            self.say(&format!(
                r#"{{"type":"input_audio_buffer.append","audio":"{}"}}"#,
                STANDARD.encode(frame)
            ));
            self.until(self.now + 20);
        }
    }

    fn until(&mut self, end: u64) {
        loop {
            while let Some(frame) = self.service.next_frame() {
                self.told.push((self.now, frame));
            }
            let Some(at) = self.service.wake_at().filter(|at| *at <= ms(end)) else { break };
            self.now = at.as_millis();
            self.service.wake(at);
        }
        self.now = end;
    }

    fn events(&self) -> Vec<(u64, Value)> {
        let texts = self.told.iter().filter_map(|(at, frame)| match frame {
            Frame::Text(text) => Some((*at, serde_json::from_str(text).unwrap())),
            Frame::Binary(_) | Frame::Close { .. } | Frame::Reset => None,
        });
        texts.collect()
    }

    fn kinds(&self) -> Vec<String> {
        let mut kinds: Vec<String> =
            self.events().iter().map(|(_, event)| event["type"].as_str().unwrap().to_owned()).collect();
        kinds.dedup();
        kinds
    }

    fn all(&self, kind: &str) -> Vec<(u64, Value)> {
        self.events().into_iter().filter(|(_, event)| event["type"] == kind).collect()
    }

    fn last_error(&self) -> (Value, String) {
        let (_, error) = self.all("error").pop().unwrap();
        (error["error"]["code"].clone(), error["error"]["message"].as_str().unwrap().to_owned())
    }
}

fn script() -> Script {
    Script::new(
        Reply::speech(tone::noise(1, 8_000), "Thanks for calling."),
        Reply::speech(tone::noise(2, 16_000), "Yes we do, on Saturdays."),
    )
}

fn audio_of(events: &[(u64, Value)]) -> Vec<u8> {
    events.iter().flat_map(|(_, event)| STANDARD.decode(event["delta"].as_str().unwrap()).unwrap()).collect()
}

#[test]
fn an_answer_comes_in_the_order_of_the_service_faster_than_real_time() {
    let mut client = Client::ready(script());
    client.say(r#"{"type":"response.create","response":{"instructions":"Greet.","metadata":{"tag":"7"}}}"#);
    client.until(2_000);
    let kinds = client.kinds();
    assert_eq!(
        kinds[..4],
        [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added"
        ]
    );
    assert_eq!(
        kinds[kinds.len() - 7..],
        [
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated"
        ]
    );
    let audio = client.all("response.output_audio.delta");
    assert_eq!(audio_of(&audio), tone::noise(1, 8_000));
    assert_eq!(audio[0].0 / 100, 4, "the first piece comes 300 ms after the answer was asked for");
    assert!(audio.last().unwrap().0 <= 400 + 1_000 / 8);
    let done = &client.all("response.done")[0].1["response"];
    assert_eq!((done["status"].as_str(), done["metadata"]["tag"].as_str()), (Some("completed"), Some("7")));
    assert_eq!(done["usage"]["output_token_details"]["audio_tokens"], 20);
    assert_eq!(done["output"][0]["content"][0]["transcript"], "Thanks for calling.");
    assert!(client.service.refusals().is_empty());
}

#[test]
fn a_turn_is_heard_committed_answered_and_transcribed() {
    let mut script = script();
    script.transcripts = vec!["Are you open?".to_owned()];
    let mut client = Client::ready(script);
    client.speak(&[tone::silence(400), tone::sine(220, 600), tone::silence(700)].concat());
    client.until(4_000);
    let started = &client.all("input_audio_buffer.speech_started")[0].1;
    let stopped = &client.all("input_audio_buffer.speech_stopped")[0].1;
    let committed = &client.all("input_audio_buffer.committed")[0].1;
    let transcript = &client.all("conversation.item.input_audio_transcription.completed")[0];
    assert_eq!(
        (started["audio_start_ms"].as_u64(), stopped["audio_end_ms"].as_u64()),
        (Some(100), Some(1_500))
    );
    assert_eq!(started["item_id"], committed["item_id"]);
    assert_eq!(
        (transcript.1["transcript"].as_str(), transcript.1["item_id"].clone()),
        (Some("Are you open?"), started["item_id"].clone())
    );
    assert!(transcript.0 > client.all("response.created")[0].0);
    let done = &client.all("response.done")[0].1["response"];
    assert_eq!(done["usage"]["input_token_details"]["audio_tokens"], 14 + 40);
    assert_eq!(client.service.appended_ms(), 1_700);
}

#[test]
fn speech_cuts_the_answer_and_what_was_not_made_is_never_sent() {
    let mut script = script();
    script.pace.speed = 1;
    let mut client = Client::ready(script);
    client.say(r#"{"type":"response.create","response":{"instructions":"Greet."}}"#);
    client.until(700);
    client.speak(&tone::sine(220, 500));
    client.until(3_000);
    let done = &client.all("response.done")[0].1["response"];
    assert_eq!(
        (done["status"].as_str(), done["status_details"]["reason"].as_str()),
        (Some("cancelled"), Some("turn_detected"))
    );
    assert_eq!(done["output"][0]["status"], "incomplete");
    let sent = audio_of(&client.all("response.output_audio.delta"));
    assert!(sent.len() < 8_000 && tone::noise(1, 8_000).starts_with(&sent));
    let kinds = client.kinds();
    let at = |kind: &str| kinds.iter().position(|k| k == kind).unwrap();
    assert!(at("input_audio_buffer.speech_started") < at("response.done"));
    assert_eq!(client.service.conversation()[0].audio_ms() as usize, sent.len() / 8);
}

#[test]
fn truncation_is_judged_by_what_was_sent() {
    let mut client = Client::ready(script());
    client.say(r#"{"type":"response.create","response":{"instructions":"Greet."}}"#);
    client.until(2_000);
    let id = client.service.conversation()[0].id.clone();
    let truncate = |id: &str, end: i64| {
        format!(
            r#"{{"type":"conversation.item.truncate","item_id":"{id}","content_index":0,"audio_end_ms":{end}}}"#
        )
    };
    client.say(&truncate(&id, 1_001));
    assert_eq!(
        client.last_error(),
        (Value::Null, "Audio content of 1000ms is already shorter than 1001ms".to_owned())
    );
    client.say(&truncate("item_x", 5));
    assert_eq!(client.last_error().0, "item_truncate_invalid_item_id");
    client.say(&truncate(&id, 400));
    assert_eq!(client.all("conversation.item.truncated")[0].1["audio_end_ms"], 400);
    client.say(&truncate(&id, 401));
    assert!(client.last_error().1.contains("already shorter"));
    client.say(r#"{"type":"conversation.item.create","item":{"id":"u1","type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]}}"#);
    client.say(&truncate("u1", 0));
    assert_eq!(client.last_error().0, "unsupported_content_type");
    client.say(&format!(r#"{{"type":"conversation.item.delete","item_id":"{id}"}}"#));
    client.say(&format!(r#"{{"type":"conversation.item.delete","item_id":"{id}"}}"#));
    assert_eq!(client.last_error().0, "item_delete_invalid_item_id");
    assert_eq!(client.service.refusals().len(), 5);
}

#[test]
fn the_conversation_refuses_what_the_service_refuses() {
    let mut client = Client::ready(script());
    let cases = [
        (r#"{"type":"response.cancel"}"#, "response_cancel_not_active"),
        (r#"{"type":"input_audio_buffer.commit"}"#, "input_audio_buffer_commit_empty"),
        (r#"{"type":"input_audio_buffer.append","audio":"*"}"#, "invalid_value"),
        (
            r#"{"type":"conversation.item.create","item":{"type":"function_call_output","call_id":"call_9","output":""}}"#,
            "invalid_tool_call_id",
        ),
        (
            r#"{"type":"conversation.item.create","item":{"type":"message","role":"assistant","content":[{"type":"input_text","text":""}]}}"#,
            "invalid_value",
        ),
        (r#"{"type":"session.update","session":{"audio":{}}}"#, "missing_required_parameter"),
        (r"{", "invalid_json"),
        (r#"{"event_id":"c_9"}"#, "invalid_event"),
    ];
    for (event, code) in cases {
        client.say(event);
        assert_eq!(client.last_error().0, code, "{event}");
    }
    client.service.hear(Frame::Binary(bytes::Bytes::from_static(b"x")), ms(200));
    client.until(200);
    assert_eq!(client.last_error().0, "invalid_event");
    client.say(r#"{"type":"response.create"}"#);
    client.say(r#"{"type":"response.create"}"#);
    assert_eq!(client.last_error().0, "conversation_already_has_active_response");
    let item = r#"{"type":"conversation.item.create","item":{"id":"same","type":"message","role":"user","content":[]}}"#;
    client.say(item);
    client.say(item);
    assert_eq!(client.last_error().0, "item_create_duplicate_item_id");
}

#[test]
fn a_tool_is_called_and_its_result_answered_from_its_own_list() {
    let mut script = script();
    script.turns = vec![
        Reply::speech(tone::noise(3, 800), "Let me see.").and_tool("take_message", "{\"message\":\"hi\"}"),
    ];
    script.after_tool = vec![Reply::speech(tone::noise(4, 800), "Done.")];
    let mut client = Client::ready(script);
    client.say(r#"{"type":"response.create"}"#);
    client.until(2_000);
    let output = &client.all("response.done")[0].1["response"]["output"];
    assert_eq!(
        (output[0]["type"].as_str(), output[1]["type"].as_str()),
        (Some("message"), Some("function_call"))
    );
    let call = output[1]["call_id"].as_str().unwrap().to_owned();
    assert_eq!(client.all("response.function_call_arguments.done")[0].1["call_id"], call);
    client.say(&format!(r#"{{"type":"conversation.item.create","item":{{"type":"function_call_output","call_id":"{call}","output":"ok"}}}}"#));
    client.say(r#"{"type":"response.create"}"#);
    client.until(4_000);
    assert_eq!(client.all("response.output_audio_transcript.done")[1].1["transcript"], "Done.");
    client.say(r#"{"type":"response.create","response":{"tool_choice":"none"}}"#);
    client.until(6_000);
    assert_eq!(client.all("response.done")[2].1["response"]["output"].as_array().unwrap().len(), 1);
}

#[test]
fn our_codec_understands_it_and_it_refuses_nothing_of_our_codec() {
    for (faults, format) in [
        (vec![], AudioFormat::Mulaw8k),
        (vec![ModelFault::PcmOnly, ModelFault::Repeat, ModelFault::Unknown], AudioFormat::Pcm16At24k),
    ] {
        let mut script = script();
        script.faults = faults;
        let mut service = ModelService::new(script, 1, ms(0));
        let mut codec = Codec::new(SessionConfig {
            instructions: "Be kind.".to_owned(),
            voice: "marin".to_owned(),
            language: "en".to_owned(),
            turn_detection: TurnDetection::default(),
            reasoning_effort: Some("low".to_owned()),
            tools: Vec::new(),
        });
        let mut ready = None;
        for _ in 0..10 {
            let now = service.wake_at().unwrap_or_default();
            service.wake(now);
            while let Some(frame) = codec.next_frame() {
                service.hear(Frame::Text(frame), now);
            }
            while let Some(Frame::Text(text)) = service.next_frame() {
                if let Some(FromModel::Ready(format)) = codec.hear(&text) {
                    ready = Some(format);
                }
            }
        }
        assert_eq!(ready, Some(format));
        assert_eq!(service.refusals(), []);
    }
}

#[test]
fn pcm_sessions_hear_and_speak_at_24_khz() {
    let mut script = script();
    script.greeting = Reply::speech(tone::sine(440, 1_000), "La.");
    let mut client = Client::new(script);
    client.say(r#"{"type":"response.create","response":{"instructions":"Greet."}}"#);
    client.until(2_000);
    let pcm = audio_of(&client.all("response.output_audio.delta"));
    assert_eq!(pcm.len(), 8_000 * 6);
    let tone: Vec<u8> = tone::sine(220, 600)
        .iter()
        .flat_map(|byte| [mulaw::decode(*byte); 3])
        .flat_map(i16::to_le_bytes)
        .collect();
    client.say(&format!(r#"{{"type":"input_audio_buffer.append","audio":"{}"}}"#, STANDARD.encode(tone)));
    assert_eq!(client.all("input_audio_buffer.speech_started").len(), 1);
    assert_eq!(client.service.appended_ms(), 600);
}

#[test]
fn faults_are_carried_out() {
    let with = |fault: ModelFault| {
        let mut script = script();
        script.faults = vec![fault];
        let mut client = Client::new(script);
        client.say(r#"{"type":"session.update","session":{"type":"realtime"}}"#);
        client.say(r#"{"type":"response.create"}"#);
        client.until(5_000);
        client
    };
    let refused = with(ModelFault::RefuseSetup {
        kind: "invalid_request_error".to_owned(),
        code: "invalid_api_key".to_owned(),
        close: 3_000,
    });
    assert_eq!(refused.last_error().0, "invalid_api_key");
    assert_eq!(
        refused.told.last().unwrap().1,
        Frame::Close { code: 3_000, reason: "invalid_request_error.invalid_api_key".to_owned() }
    );
    assert!(
        with(ModelFault::Expire { after_ms: 900 })
            .told
            .contains(&(900, Frame::Close { code: 1_001, reason: String::new() }))
    );
    assert!(with(ModelFault::Reset { after_ms: 900 }).told.contains(&(900, Frame::Reset)));
    let broken = with(ModelFault::BreakOff { after_ms: 400 });
    assert_eq!(broken.told.last().unwrap().1, Frame::Reset);
    assert!(broken.all("response.done").is_empty() && !broken.all("response.output_audio.delta").is_empty());
    let silent = with(ModelFault::FallSilent { after_ms: 20 });
    assert!(silent.all("response.output_audio.delta").is_empty() && !silent.service.is_over());
    assert!(with(ModelFault::NoSetup).all("session.updated").is_empty());
    assert!(with(ModelFault::NoAnswer).all("response.created").is_empty());
    let stuck = with(ModelFault::Stuck);
    assert_eq!((stuck.all("response.created").len(), stuck.all("response.done").len()), (1, 0));
    let failed = with(ModelFault::FailAnswers("server_error".to_owned()));
    assert_eq!(
        failed.all("response.done")[0].1["response"]["status_details"]["error"]["code"],
        "server_error"
    );
    let text = with(ModelFault::TextOnly);
    assert!(text.all("response.output_audio.delta").is_empty());
    assert_eq!(text.all("response.output_text.done").len(), 1);
}
