//! The flow of a conversation: what Twilio and the model say, in the order it is said.

use super::limits::{BUSY_PAUSE, MAX_FAILED_ANSWERS, MODEL_ANSWERS, REDIAL_PAUSES_MS};
use super::listening::Heard;
use super::machine::Call;
use super::playout::Source;
use super::responding::Reason;
use super::{Deadline, Effect, Note};
use crate::call::effects::Purpose;
use crate::domain::{Ending, Pii, Turn, Usage};
use crate::wire::Text;
use crate::wire::model::{FromModel, Refusal, RefusalClass, ResponseId, ResponseOutcome, ToModel};
use crate::wire::twilio::media::FromTwilio;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

impl Call {
    pub(super) fn on_caller(&mut self, words: FromTwilio) {
        match words {
            FromTwilio::Media { timestamp_ms, payload } => self.on_media(timestamp_ms, payload),
            FromTwilio::Mark(name) => {
                if !self.playout.on_mark(&name, self.now) {
                    self.oddities.stale_marks += 1;
                }
            }
            FromTwilio::Start(start) => self.on_arrival(&start),
            FromTwilio::Dtmf(key) => self.listening.on_key(*key.reveal(), self.now),
            FromTwilio::Stop => self.on_stream_over(Ending::CallerHungUp),
            FromTwilio::Connected => {}
            FromTwilio::Other(_) => self.oddities.unknown += 1,
        }
    }

    fn on_media(&mut self, timestamp_ms: u64, payload: Text) {
        if self.arrived_at.is_none() {
            self.oddities.unknown += 1;
            return;
        }
        match self.listening.on_media(timestamp_ms, payload, self.now) {
            Ok(heard) => self.forward(heard),
            Err(_) => {
                self.oddities.bad_audio += 1;
                return;
            }
        }
        if let Some(recording) = &mut self.recording {
            recording.said(timestamp_ms, self.listening.last_frame());
        }
    }

    /// Sends the caller's audio on.
    pub(super) fn forward(&mut self, heard: Heard) {
        self.oddities.dropped += heard.dropped;
        if heard.padded_ms > 0 {
            self.oddities.padded_ms += heard.padded_ms;
            self.note(Note::Padded(u32::try_from(heard.padded_ms).unwrap_or(u32::MAX)));
        }
        for audio in heard.to_model {
            self.say_to_model(ToModel::Audio(audio));
        }
    }

    pub(super) fn on_keys(&mut self, keys: &str) {
        self.still_there = 0;
        self.tools.on_caller();
        self.note(Note::Keys(Pii::new(keys.to_owned())));
        self.tell_model(ToModel::Note(Pii::new(format!(
            "The caller pressed these keys on the telephone: {keys}"
        ))));
        self.responding.wish(Reason::Keys, None);
    }

    pub(super) fn on_model(&mut self, words: FromModel) {
        if self.link.is_down() {
            // Of a session that was given up.
            return;
        }
        match words {
            FromModel::Audio { response, item, content_index, audio } => {
                self.on_audio(&Source::Model { response, item, content_index }, &audio);
            }
            FromModel::AudioDone { item, .. } => self.playout.complete(&item),
            FromModel::Words { item, text } => self.words.add(&item, text.reveal()),
            FromModel::AllWords { item, text } => self.words.set(&item, text.reveal()),
            FromModel::Ready(format) => self.on_ready(format),
            FromModel::ResponseStarted { response, tag } => {
                self.tools.on_answer_begins();
                self.responding.on_started(response, tag);
            }
            FromModel::ResponseDone { response, outcome, usage } => self.on_done(&response, &outcome, usage),
            FromModel::SpeechStarted => self.on_speech_started(),
            FromModel::SpeechStopped => {
                self.caller_speaks = false;
                self.listening.on_caller_stopped();
                self.note(Note::CallerStops);
                self.begin_waiting_for_answer();
                self.deadlines.set(Deadline::ModelAnswers, self.now + MODEL_ANSWERS);
            }
            FromModel::CallerSaid { text, transcribed_ms } => {
                self.usage.add(&Usage { transcribed_ms, ..Usage::default() });
                let turn = self.words.caller_turn(&text, self.now);
                self.history.on_transcribed(turn.as_ref().map(|turn| &turn.text));
                self.listening.on_transcribed();
                if let Some(turn) = turn {
                    self.keep_turn(turn);
                }
            }
            FromModel::ToolCall { response, call, name, arguments } => {
                self.on_tool_call(response, call, &name, arguments.reveal());
            }
            FromModel::Refused(refusal) => self.on_refused(refusal),
            FromModel::Other(_) => self.oddities.unknown += 1,
        }
    }

    fn on_audio(&mut self, source: &Source, audio: &Text) {
        let Source::Model { response, item, .. } = source else { return };
        if self.responding.is_cut(response) || self.phase.is_closing() {
            self.oddities.late_audio += 1;
            return;
        }
        let Ok(mut audio) = STANDARD.decode(audio.as_bytes()) else {
            self.oddities.bad_audio += 1;
            return;
        };
        if let Some(resampler) = &mut self.link.resampler {
            audio = resampler.mulaw_of(&audio);
        }
        if audio.is_empty() {
            // Nothing can be heard of it.
            return;
        }
        self.failed_answers = 0;
        self.deadlines.clear(Deadline::ModelAnswers);
        self.responding.on_audible(response);
        self.take_greeting(item, &audio);
        self.link.on_audible();
        self.history.on_speaking(item);
        if !self.playout.push(source, &audio) {
            self.oddities.late_audio += 1;
        }
    }

    fn on_done(&mut self, response: &ResponseId, outcome: &ResponseOutcome, usage: Option<Usage>) {
        self.usage.add(&usage.unwrap_or_default());
        let cut = self.responding.is_cut(response);
        let Some(done) = self.responding.on_done(response) else { return };
        self.playout.complete_all();
        self.deadlines.clear(Deadline::ModelAnswers);
        if *outcome == ResponseOutcome::Completed && done.audible && !self.caller_speaks {
            self.listening.on_answered();
        }
        if done.reason == Some(Reason::Opening) {
            self.keep_greeting(*outcome == ResponseOutcome::Completed);
        }
        self.on_answer_over(&done);
        // Text, or nothing at all, is no answer on a telephone; a tool is.
        let heard_or_meant = done.audible || cut || self.caller_speaks || !self.tools.is_idle();
        let in_vain = !heard_or_meant && !self.phase.is_leaving() && !self.phase.is_closing();
        match outcome {
            ResponseOutcome::Failed(code) => self.on_answer_failed(code.clone(), done.reason),
            ResponseOutcome::Completed | ResponseOutcome::Incomplete(_) if in_vain => {
                self.on_answer_failed("no_audio".to_owned(), done.reason);
            }
            ResponseOutcome::Completed | ResponseOutcome::Cancelled | ResponseOutcome::Incomplete(_) => {}
        }
    }

    /// Asks again, a little later each time; what failed three times is asked of another session.
    fn on_answer_failed(&mut self, code: String, reason: Option<Reason>) {
        let hopeless = code.contains("quota") || code.contains("billing") || code.contains("credit");
        self.note(Note::ModelRefused { code, fatal: hopeless });
        self.failed_answers += 1;
        if hopeless {
            return self.give_up(Ending::ModelRefused);
        }
        // What was asked for in words is asked for again; else the model decides what it wanted to say.
        match reason {
            Some(Reason::Opening) => self.wish_opening(),
            Some(Reason::LastMinute) => self.wish_last_minute(),
            Some(Reason::Farewell) => {}
            Some(
                Reason::Tools
                | Reason::Keys
                | Reason::StillThere
                | Reason::Nudge
                | Reason::Operator
                | Reason::GoOn,
            )
            | None => {
                self.responding.wish(Reason::Nudge, None);
            }
        }
        if self.failed_answers > MAX_FAILED_ANSWERS {
            return self.try_another_session();
        }
        let pause = REDIAL_PAUSES_MS.get(self.failed_answers as usize - 1).copied().unwrap_or(1_000);
        self.responding.pause_until(self.now + std::time::Duration::from_millis(pause));
    }

    fn on_speech_started(&mut self) {
        self.caller_speaks = true;
        self.still_there = 0;
        self.tools.on_caller();
        self.words.on_caller_began(self.now);
        self.history.on_listening();
        self.listening.on_caller_began();
        self.note(Note::CallerSpeaks);
        self.responding.unwish(Reason::StillThere);
        self.responding.unwish(Reason::Nudge);
        self.deadlines.clear(Deadline::ModelAnswers);
        self.barge_in();
        self.stay_after_all();
    }

    fn on_refused(&mut self, refusal: Refusal) {
        match refusal.class {
            RefusalClass::Busy => {
                self.responding.on_busy();
                self.responding.pause_until(self.now + BUSY_PAUSE);
            }
            RefusalClass::Benign => self.oddities.refusals += 1,
            RefusalClass::Configuration => {
                self.oddities.refusals += 1;
                match self.responding.on_refused(refusal.answer) {
                    Some(Reason::Farewell) => self.goodbye_is_all_there(),
                    // An answer that will not come is one that failed: nobody need wait for it.
                    Some(reason) => self.on_answer_failed(refusal.code, Some(reason)),
                    None => self.note(Note::ModelRefused { code: refusal.code, fatal: false }),
                }
            }
            RefusalClass::Fatal => {
                self.note(Note::ModelRefused { code: refusal.code, fatal: true });
                self.give_up(Ending::ModelRefused);
            }
            RefusalClass::SessionOver => {
                self.note(Note::ModelRefused { code: refusal.code, fatal: false });
                self.on_model_lost();
            }
        }
    }

    /// A turn is complete: it is told, and kept at once, so that another instance could go on from here.
    pub(super) fn keep_turn(&mut self, turn: Turn) {
        self.note(Note::Said(Box::new(turn.clone())));
        self.ask_for(Effect::Checkpoint(Box::new(turn)), Purpose::Keep);
    }
}
