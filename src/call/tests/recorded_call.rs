//! The recorded call, told again: Twilio's messages at their times, the model's audio as it was sent then.

use serde::Deserialize;

use super::*;

const RECORDED: &str = include_str!("../../../fixtures/wire/twilio_call_10s.jsonl");

#[derive(Deserialize)]
struct Recorded {
    t_ms: u64,
    dir: String,
    frame: String,
}

fn recorded() -> Vec<Recorded> {
    RECORDED.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Our own marks, by the item they belong to and how much of it they stand for.
#[derive(Default)]
struct OurMarks {
    sent: Vec<(String, u64, Text, bool)>,
    looked: usize,
    playing: String,
}

impl OurMarks {
    /// Reads new outputs; `item` is the one whose audio the model is sending.
    fn read(&mut self, stage: &Stage, item: &str) {
        let mut bytes = 0;
        for (_, output) in &stage.outputs[self.looked..] {
            match output {
                Output::Caller(ToTwilio::Media(audio)) => {
                    bytes = STANDARD.decode(audio.as_bytes()).unwrap().len();
                }
                Output::Caller(ToTwilio::Mark(name)) => {
                    let before = self.sent.iter().filter(|(of, ..)| of == item).map(|(_, ms, ..)| *ms).max();
                    let ms = before.unwrap_or(0) + bytes as u64 / 8;
                    self.sent.push((item.to_owned(), ms, name.clone(), false));
                }
                Output::Caller(ToTwilio::Clear)
                | Output::Model(_)
                | Output::Effect(..)
                | Output::Note(_)
                | Output::Recording(_) => {}
            }
        }
        self.looked = stage.outputs.len();
    }

    /// Ours that stand for what a recorded mark (`item_A:400`) says was played.
    fn standing_for(&mut self, recorded: &str) -> Vec<Text> {
        let (item, ms) = recorded.split_once(':').unwrap();
        let ms: u64 = ms.parse().unwrap_or(u64::MAX);
        let due = self.sent.iter_mut().filter(|(of, at, _, back)| of == item && *at <= ms && !back);
        due.map(|(_, _, name, back)| {
            *back = true;
            name.clone()
        })
        .collect()
    }
}

#[test]
fn every_message_of_twilios_in_the_recording_is_understood() {
    let messages = recorded();
    let inbound: Vec<_> = messages.iter().filter(|line| line.dir == "twilio->server").collect();
    for line in &inbound {
        let message = FromTwilio::parse(&Text::from(line.frame.as_str())).unwrap();
        assert!(!matches!(message, FromTwilio::Other(_)), "{}", line.frame);
    }
    assert_eq!(messages.len(), 564);
}

#[test]
fn the_recorded_call_is_interrupted_padded_and_ended_as_it_was() {
    let mut stage = Stage::new(brief());
    stage.model(FromModel::Ready(AudioFormat::Mulaw8k));
    let mut marks = OurMarks::default();
    let mut cleared_at = None;
    for line in recorded() {
        // Between messages only the machine's own alarms ring; the stage's Twilio is out of work.
        stage.marks.clear();
        while let Some(at) =
            stage.call.wake_at().map(|at| at.as_micros().div_ceil(1_000)).filter(|at| *at <= line.t_ms)
        {
            stage.now_ms = stage.now_ms.max(at);
            stage.tell(Input::Tick);
            marks.read(&stage, &marks.playing.clone());
        }
        stage.now_ms = line.t_ms;
        let frame = Text::from(line.frame.as_str());
        if line.dir == "twilio->server" {
            match FromTwilio::parse(&frame).unwrap() {
                FromTwilio::Mark(name) => {
                    for ours in marks.standing_for(&name) {
                        stage.caller(FromTwilio::Mark(ours));
                    }
                }
                other => stage.caller(other),
            }
        } else {
            replay_of_ours(&mut stage, &frame, &mut marks, &mut cleared_at);
        }
        marks.read(&stage, &marks.playing.clone());
    }

    let truncations: Vec<_> = stage
        .outputs
        .iter()
        .filter_map(|(_, output)| match output {
            Output::Model(ToModel::Truncate { item, content_index: 0, heard_ms }) => {
                Some((item.as_str(), *heard_ms))
            }
            _ => None,
        })
        .collect();
    assert_eq!(truncations.len(), 1, "{truncations:?}");
    assert_eq!(truncations[0].0, "item_A");
    assert!((2_200..=2_230).contains(&truncations[0].1), "{truncations:?}");

    // Between the clear and the next answer, not a frame goes to the caller.
    let cleared_at = cleared_at.unwrap();
    let after = stage.outputs.iter().filter(|(at, output)| {
        (cleared_at..4_900).contains(at)
            && matches!(output, Output::Caller(ToTwilio::Media(_) | ToTwilio::Mark(_)))
    });
    assert_eq!(after.count(), 0);

    let padded: Vec<_> = stage.notes().into_iter().filter(|note| matches!(note, Note::Padded(_))).collect();
    assert_eq!(padded, [Note::Padded(40)]);
    let silence = STANDARD.encode([0xFF; 320]);
    let pads = stage.outputs.iter().filter(|(at, output)| {
        matches!(output, Output::Model(ToModel::Audio(audio)) if audio.as_str() == silence) && *at > 5_400
    });
    assert_eq!(pads.count(), 1);

    assert!(stage.notes().contains(&Note::Keys("5#".to_owned().into())));
    let hung_up =
        stage.outputs.iter().find(|(_, output)| matches!(output, Output::Effect(_, Effect::HangUp)));
    assert_eq!(hung_up.map(|(at, _)| *at), Some(9_020));
    assert_eq!(stage.ending(), Some(Ending::HungUp));
}

/// What our side sent in the recording is what the model said then; `clear` was the caller's interruption.
fn replay_of_ours(stage: &mut Stage, frame: &Text, marks: &mut OurMarks, cleared_at: &mut Option<u64>) {
    let message: serde_json::Value = serde_json::from_str(frame).unwrap();
    let response = |item: &str| format!("resp_{item}");
    match message["event"].as_str().unwrap() {
        "media" => {
            let item = match stage.now_ms {
                0..2_560 => "item_A",
                2_560..6_000 => "item_B",
                _ => "item_C",
            };
            if marks.playing != item {
                marks.playing = item.to_owned();
                if cleared_at.is_some() {
                    stage.model(FromModel::SpeechStopped);
                }
                stage.started(&response(item));
            }
            stage.model(FromModel::Audio {
                response: response(item).as_str().into(),
                item: item.into(),
                content_index: 0,
                audio: message["media"]["payload"].as_str().unwrap().into(),
            });
        }
        "mark" => match message["mark"]["name"].as_str().unwrap() {
            "item_B:2000" => stage.done("resp_item_B", ResponseOutcome::Completed),
            "item_C:1200" => {
                stage.tool("resp_item_C", "call_1", "end_call", "{}");
                stage.done("resp_item_C", ResponseOutcome::Completed);
            }
            _ => {}
        },
        "clear" => {
            stage.model(FromModel::SpeechStarted);
            assert!(matches!(
                stage.outputs.iter().rev().find(|(_, output)| matches!(output, Output::Caller(_))),
                Some((_, Output::Caller(ToTwilio::Clear)))
            ));
            *cleared_at = Some(stage.now_ms);
            // The model had more to say, and says it late.
            stage.audio_of("resp_item_A", "item_A", 200);
            stage.done("resp_item_A", ResponseOutcome::Cancelled);
        }
        other => panic!("{other}"),
    }
}
