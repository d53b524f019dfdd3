//! The event log.

use super::*;

/// A call that has a bit of everything, with its log.
fn logged() -> String {
    let brief = Brief { recorded: true, ..brief() };
    let mut text = Vec::new();
    let mut log = event_log::EventLog::begin(&brief, &mut text);
    let mut call = Call::new(brief);
    while let Some(output) = call.next_output() {
        log.output(&output, &mut text);
    }
    let audio = |ms: usize| STANDARD.encode(vec![0x42; ms * 8]).into();
    let payload: Text = STANDARD.encode([0x21; 160]).into();
    let mut inputs = vec![
        (200, Input::Model(FromModel::Ready(AudioFormat::Mulaw8k))),
        (210, Input::Outcome(EffectId(1), Outcome::Done)),
        (300, Input::Model(FromModel::ResponseStarted { response: "r".into(), tag: Some(1) })),
        (
            310,
            Input::Model(FromModel::Audio {
                response: "r".into(),
                item: "i".into(),
                content_index: 0,
                audio: audio(900),
            }),
        ),
        (400, Input::Caller(start())),
    ];
    inputs.extend((0..100).map(|n| {
        let media = FromTwilio::Media { timestamp_ms: 61 + n * 20, payload: payload.clone() };
        (420 + n * 20, Input::Caller(media))
    }));
    inputs.push((900, Input::Model(FromModel::SpeechStarted)));
    inputs.push((2_500, Input::Caller(FromTwilio::Stop)));
    inputs.sort_by_key(|(at, _)| *at);
    for (at, input) in inputs {
        let at = Moment::from_millis(at);
        log.input(&input, at, &mut text);
        call.handle(input, at);
        while let Some(output) = call.next_output() {
            log.output(&output, &mut text);
        }
    }
    log.end(&mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn a_logged_call_replays_to_the_byte() {
    let log = logged();
    let mut seen = 0;
    let verdict = event_log::replay(&log, |_, _, _| seen += 1).unwrap();
    let event_log::Verdict::Identical { inputs: 107, outputs, cut_off: false } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(outputs > 100 && seen == 107);
}

#[test]
fn a_log_that_differs_says_where() {
    let log = logged().replacen("\"heardMs\":100", "\"heardMs\":101", 1);
    let verdict = event_log::replay(&log, |_, _, _| ()).unwrap();
    let event_log::Verdict::Differs { at, logged, replayed, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(at, Moment::from_millis(900));
    assert!(logged.contains("101") && replayed.contains("100"));
}

#[test]
fn a_log_that_was_cut_off_is_replayed_to_there_and_a_broken_one_is_refused() {
    let log = logged();
    let cut = &log[..log.len() - 40];
    let verdict = event_log::replay(cut, |_, _, _| ()).unwrap();
    assert!(
        matches!(verdict, event_log::Verdict::Identical { inputs: 106, cut_off: true, .. }),
        "{verdict:?}"
    );
    let broken = log.replacen("\"in\"", "\"im\"", 1);
    assert!(event_log::replay(&broken, |_, _, _| ()).unwrap_err().to_string().starts_with("line 2: "));
    assert!(event_log::replay("", |_, _, _| ()).is_err());
    assert!(
        event_log::replay("{\"frontdesk\":9}", |_, _, _| ()).unwrap_err().to_string().contains("version 9")
    );
}
