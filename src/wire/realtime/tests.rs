//! The codec against every event of the service, and what it says against its shape.

use super::*;
use crate::domain::{TurnDetection, Usage};
use crate::wire::model::{ItemId, ResponseId, ResponseOutcome, ToolCallId, ToolSpec};

const SERVER_EVENTS: &str = include_str!("../../../fixtures/wire/realtime_server_events.jsonl");

fn config() -> SessionConfig {
    SessionConfig {
        instructions: "Be kind.".to_owned(),
        voice: "marin".to_owned(),
        language: "en".to_owned(),
        turn_detection: TurnDetection::default(),
        reasoning_effort: None,
        tools: vec![ToolSpec {
            name: "end_call".to_owned(),
            description: "Ends the call.".to_owned(),
            parameters: serde_json::json!({"type": "object", "properties": {}}),
        }],
    }
}

fn asked() -> Codec {
    let mut codec = Codec::new(config());
    assert!(codec.next_frame().unwrap().contains("audio/pcmu"));
    assert_eq!(codec.next_frame(), None);
    codec
}

fn hear(codec: &mut Codec, text: &str) -> Option<FromModel> {
    codec.hear(&Text::from(text))
}

const ECHO_PCMU: &str = r#"{"type":"session.updated","event_id":"e","session":{"type":"realtime","audio":{"input":{"format":{"type":"audio/pcmu"}},"output":{"format":{"type":"audio/pcmu"}}}}}"#;
const ECHO_PCM: &str = r#"{"type":"session.updated","session":{"audio":{"input":{"format":{"type":"audio/pcm","rate":24000}},"output":{"format":{"type":"audio/pcm","rate":24000}}}}}"#;
const ECHO_MIXED: &str = r#"{"type":"session.updated","session":{"audio":{"input":{"format":{"type":"audio/pcmu"}},"output":{"format":{"type":"audio/pcm","rate":24000}}}}}"#;

#[test]
fn every_server_event_we_know_of_is_accepted() {
    for line in SERVER_EVENTS.lines() {
        assert_ne!(ServerEvent::parse(&Text::from(line)), ServerEvent::Other("unreadable".into()), "{line}");
        asked().hear(&Text::from(line));
    }
    assert_eq!(SERVER_EVENTS.lines().count(), 226);
}

#[test]
fn only_what_nobody_knows_is_told_to_the_call_as_unknown() {
    let mut codec = asked();
    let told = SERVER_EVENTS.lines().filter_map(|line| codec.hear(&Text::from(line)));
    let unknown: std::collections::BTreeSet<String> = told
        .filter_map(
            |told| if let FromModel::Other(name) = told { Some(name.as_str().to_owned()) } else { None },
        )
        .collect();
    assert_eq!(unknown.into_iter().collect::<Vec<_>>(), ["response.something_new.delta"]);
}

#[test]
fn the_events_we_use_are_recognised_in_the_corpus() {
    let mut seen = std::collections::BTreeSet::new();
    for line in SERVER_EVENTS.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let kind = value["type"].as_str().unwrap_or_default().to_owned();
        let known = match ServerEvent::parse(&Text::from(line)) {
            ServerEvent::Other(_) => false,
            ServerEvent::SessionUpdated { .. }
            | ServerEvent::Error(_)
            | ServerEvent::RateLimits(_)
            | ServerEvent::SpeechStarted
            | ServerEvent::SpeechStopped
            | ServerEvent::CallerTranscript(_, _)
            | ServerEvent::ResponseCreated(..)
            | ServerEvent::AudioDelta(..)
            | ServerEvent::AudioDone(..)
            | ServerEvent::TranscriptDelta(..)
            | ServerEvent::TranscriptDone(..)
            | ServerEvent::FunctionCall { .. }
            | ServerEvent::ResponseDone(..) => true,
        };
        if known {
            seen.insert(kind);
        }
    }
    for kind in [
        "session.updated",
        "error",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.delta",
        "response.output_audio_transcript.done",
        "response.output_item.done",
        "response.function_call_arguments.done",
        "response.done",
        "rate_limits.updated",
    ] {
        assert!(seen.contains(kind), "{kind}");
    }
}

#[test]
fn audio_shares_the_memory_of_its_frame_under_both_names() {
    for name in ["response.output_audio.delta", "response.audio.delta"] {
        let frame = Text::from(format!(
            r#"{{"type":"{name}","event_id":"e","response_id":"r","item_id":"i","output_index":0,"content_index":1,"delta":"//8A"}}"#
        ));
        let Some(FromModel::Audio { response, item, content_index, audio }) = asked().hear(&frame) else {
            panic!()
        };
        assert_eq!((response, item, content_index), (ResponseId::from("r"), ItemId::from("i"), 1));
        assert_eq!(audio.as_str(), "//8A");
        assert!(frame.as_str().as_bytes().as_ptr_range().contains(&audio.as_str().as_ptr()));
    }
}

#[test]
fn ready_only_when_both_sides_echo_one_format() {
    let mut codec = asked();
    assert_eq!(hear(&mut codec, ECHO_PCMU), Some(FromModel::Ready(AudioFormat::Mulaw8k)));
    assert_eq!(hear(&mut codec, ECHO_PCMU), None);

    let mut beta = asked();
    let echo = r#"{"type":"session.updated","session":{"input_audio_format":"g711_ulaw","output_audio_format":"g711_ulaw"}}"#;
    assert_eq!(hear(&mut beta, echo), Some(FromModel::Ready(AudioFormat::Mulaw8k)));
}

#[test]
fn a_server_without_mulaw_is_asked_for_pcm() {
    let mut silent = asked();
    assert_eq!(hear(&mut silent, ECHO_PCM), Some(FromModel::Ready(AudioFormat::Pcm16At24k)));

    let mut mixed = asked();
    assert_eq!(hear(&mut mixed, ECHO_MIXED), None);
    assert!(mixed.next_frame().unwrap().contains(r#""rate":24000"#));
    assert_eq!(hear(&mut mixed, ECHO_PCM), Some(FromModel::Ready(AudioFormat::Pcm16At24k)));

    let mut refusing = asked();
    let refusal = r#"{"type":"error","error":{"type":"invalid_request_error","code":"invalid_value","message":"no","param":"session.audio.input.format","event_id":"c_1"}}"#;
    assert_eq!(hear(&mut refusing, refusal), None);
    assert!(refusing.next_frame().unwrap().contains("audio/pcm\""));
    let Some(FromModel::Refused(fatal)) = hear(&mut refusing, ECHO_MIXED) else { panic!() };
    assert_eq!((fatal.class, fatal.code.as_str()), (RefusalClass::Fatal, "no_common_audio_format"));
}

fn class_of(codec: &mut Codec, error: &str) -> RefusalClass {
    let text = format!(r#"{{"type":"error","error":{error}}}"#);
    let Some(FromModel::Refused(refusal)) = hear(codec, &text) else { panic!("{error}") };
    refusal.class
}

#[test]
fn errors_are_classed() {
    let mut ready = asked();
    hear(&mut ready, ECHO_PCMU);
    for (error, class) in [
        (r#"{"code":"response_cancel_not_active"}"#, RefusalClass::Benign),
        (
            r#"{"code":null,"message":"Audio content of 3700ms is already shorter than 3760ms"}"#,
            RefusalClass::Benign,
        ),
        (r#"{"code":"conversation_already_has_active_response"}"#, RefusalClass::Busy),
        (r#"{"code":"unknown_parameter","param":"session.x"}"#, RefusalClass::Configuration),
        (r#"{"type":"insufficient_quota","code":"renamed_yesterday"}"#, RefusalClass::Fatal),
        (r#"{"code":"invalid_api_key"}"#, RefusalClass::Fatal),
        (r#"{"code":"session_expired"}"#, RefusalClass::SessionOver),
        (r#"{"type":"server_error","code":null}"#, RefusalClass::SessionOver),
        (r"{}", RefusalClass::Configuration),
    ] {
        assert_eq!(class_of(&mut ready, error), class, "{error}");
    }
    let setup = r#"{"code":"unknown_parameter","param":"session.reasoning","event_id":"c_1"}"#;
    assert_eq!(class_of(&mut asked(), setup), RefusalClass::Fatal);
}

#[test]
fn an_answer_carries_our_tag_its_tools_and_its_usage() {
    let mut codec = asked();
    let created =
        r#"{"type":"response.created","response":{"id":"r1","status":"in_progress","metadata":{"tag":"7"}}}"#;
    let started = FromModel::ResponseStarted { response: "r1".into(), tag: Some(7) };
    assert_eq!(hear(&mut codec, created), Some(started));
    let item = r#"{"type":"response.output_item.done","response_id":"r1","item":{"type":"function_call","status":"completed","call_id":"call_1","name":"end_call","arguments":"{}"}}"#;
    let call = FromModel::ToolCall {
        response: "r1".into(),
        call: ToolCallId::from("call_1"),
        name: "end_call".to_owned(),
        arguments: "{}".to_owned().into(),
    };
    assert_eq!(hear(&mut codec, item), Some(call));
    let cut = item.replace("completed", "incomplete");
    assert_eq!(hear(&mut codec, &cut), None);
    let done = r#"{"type":"response.done","response":{"id":"r1","status":"completed","usage":{"input_token_details":{"text_tokens":119,"audio_tokens":13,"cached_tokens":64,"cached_tokens_details":{"text_tokens":64,"audio_tokens":0}},"output_token_details":{"text_tokens":30,"audio_tokens":91}}}}"#;
    let Some(FromModel::ResponseDone { outcome, usage: Some(usage), .. }) = hear(&mut codec, done) else {
        panic!()
    };
    assert_eq!(outcome, ResponseOutcome::Completed);
    let expected = Usage {
        input: crate::domain::ModalityTokens { text: 119, audio: 13, image: 0 },
        cached: crate::domain::ModalityTokens { text: 64, audio: 0, image: 0 },
        output: crate::domain::ModalityTokens { text: 30, audio: 91, image: 0 },
        transcribed_ms: 0,
    };
    assert_eq!(usage, expected);
    let failed = r#"{"type":"response.done","response":{"id":"r","status":"failed","status_details":{"type":"failed","error":{"type":"server_error","code":null}},"usage":null}}"#;
    let Some(FromModel::ResponseDone { outcome, usage: None, .. }) = hear(&mut codec, failed) else {
        panic!()
    };
    assert_eq!(outcome, ResponseOutcome::Failed("server_error".to_owned()));
}

#[test]
fn what_we_say_has_the_services_shape_and_its_own_name() {
    let mut codec = asked();
    let mut said =
        |words: ToModel| -> serde_json::Value { serde_json::from_str(&codec.say(&words)).unwrap() };
    let respond = said(ToModel::Respond { instructions: Some("Greet.".to_owned()), tools: false, tag: 3 });
    assert_eq!(
        respond,
        serde_json::json!({"type": "response.create", "event_id": "c_2", "response":
            {"instructions": "Greet.", "tool_choice": "none", "metadata": {"tag": "3"}}})
    );
    let truncate = said(ToModel::Truncate { item: "i".into(), content_index: 0, heard_ms: 1500 });
    assert_eq!(
        truncate,
        serde_json::json!({"type": "conversation.item.truncate", "event_id": "c_3", "item_id": "i",
            "content_index": 0, "audio_end_ms": 1500})
    );
    let call = said(ToModel::ToolCall {
        call: "call_1".into(),
        name: "take_message".to_owned(),
        arguments: "{}".to_owned().into(),
    });
    assert_eq!(
        call,
        serde_json::json!({"type": "conversation.item.create", "event_id": "c_4", "item":
            {"type": "function_call", "call_id": "call_1", "name": "take_message", "arguments": "{}"}})
    );
    let audio = said(ToModel::Audio("//8=".into()));
    assert_eq!(audio, serde_json::json!({"type": "input_audio_buffer.append", "audio": "//8="}));
}

#[test]
fn a_transcription_says_how_much_speech_it_took_in_tokens_or_in_seconds() {
    let heard = |usage: &str| {
        let frame = format!(
            r#"{{"type":"conversation.item.input_audio_transcription.completed","item_id":"i","content_index":0,"transcript":"Hi.","usage":{usage}}}"#
        );
        let Some(FromModel::CallerSaid { text, transcribed_ms }) = hear(&mut asked(), &frame) else {
            panic!()
        };
        assert_eq!(text.reveal(), "Hi.");
        transcribed_ms
    };
    let tokens = r#"{"type":"tokens","total_tokens":22,"input_tokens":13,"input_token_details":{"text_tokens":0,"audio_tokens":13},"output_tokens":9}"#;
    for (usage, ms) in [
        (tokens, 1_300),
        (r#"{"type":"duration","seconds":1.28}"#, 1_280),
        (r#"{"type":"duration","seconds":-1}"#, 0),
        (r#"{"type":"something new"}"#, 0),
        ("null", 0),
        ("7", 0),
    ] {
        assert_eq!(heard(usage), ms, "{usage}");
    }
}

#[test]
fn a_refusal_names_the_answer_it_refuses() {
    let mut codec = asked();
    hear(&mut codec, ECHO_PCMU);
    codec.say(&ToModel::Note("Something else.".to_owned().into()));
    codec.say(&ToModel::Respond { instructions: None, tools: true, tag: 7 });
    codec.say(&ToModel::Audio("//8=".into()));
    let mut answer = |event: &str| {
        let error = format!(
            r#"{{"type":"error","error":{{"type":"invalid_request_error","code":"invalid_value","message":"m","param":null,"event_id":{event}}}}}"#
        );
        let Some(FromModel::Refused(refusal)) = hear(&mut codec, &error) else { panic!() };
        refusal.answer
    };
    assert_eq!(answer(r#""c_3""#), Some(7));
    assert_eq!(answer(r#""c_2""#), None);
    assert_eq!(answer("null"), None);
}

#[test]
fn a_transcription_that_failed_is_one_without_words() {
    let frame = r#"{"type":"conversation.item.input_audio_transcription.failed","event_id":"e","item_id":"i","content_index":0,"error":{"type":"transcription_error","code":"audio_unintelligible","message":"m","param":null}}"#;
    assert_eq!(ServerEvent::parse(&frame.into()), ServerEvent::CallerTranscript(String::new().into(), 0));
}

#[test]
fn what_is_left_of_the_accounts_limits_is_no_calls_affair() {
    let mut codec = asked();
    let said = r#"{"type":"rate_limits.updated","rate_limits":[{"name":"requests","limit":1000,"remaining":999,"reset_seconds":60},{"name":"tokens","remaining":null}]}"#;
    assert_eq!(codec.hear(&Text::from(said)), None);
    assert_eq!(codec.take_headroom(), Some(Headroom { requests: Some(999), tokens: None }));
    assert_eq!(codec.take_headroom(), None);
}
