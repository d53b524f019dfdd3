//! The files of calls that were carried on this machine, for whoever wants to read or hear them again.

use std::io;
use std::path::PathBuf;

use tokio::fs;

use crate::audio::meter::Meter;
use crate::domain::{CallSid, Recording};

/// No event log that is read at once is longer, in bytes: an hour of call.
const MOST_LOG_BYTES: u64 = 96 * 1024 * 1024;

/// No recording is longer, in bytes: two hours, both voices.
const MOST_RECORDING_BYTES: u64 = 128 * 1024 * 1024;

/// The attempts of a call whose files are looked for; more streams than that has no call.
const MOST_ATTEMPTS: u8 = 32;

/// The header of a recording: what `audio::wav` writes before µ-law.
const HEADER_BYTES: usize = 58;

/// Where the files of calls are; nowhere, when none are kept.
#[derive(Debug, Clone)]
pub struct Shelf {
    data_dir: Option<PathBuf>,
}

impl Shelf {
    pub(super) fn at(data_dir: Option<PathBuf>) -> Self {
        Self { data_dir }
    }

    /// Of which streams of a call there is an event log.
    pub async fn logs(&self, call: &CallSid, attempts: u8) -> Vec<u8> {
        let mut found = Vec::new();
        for attempt in 1..=attempts.clamp(1, MOST_ATTEMPTS) {
            if let Some(path) = self.log_path(call, attempt)
                && fs::try_exists(&path).await.unwrap_or(false)
            {
                found.push(attempt);
            }
        }
        found
    }

    /// The event log of one stream; none when there is none, or one too long to be read at once.
    pub async fn log(&self, call: &CallSid, attempt: u8) -> io::Result<Option<String>> {
        let Some(path) = self.log_path(call, attempt) else { return Ok(None) };
        match fs::metadata(&path).await {
            Ok(file) if file.len() <= MOST_LOG_BYTES => fs::read_to_string(&path).await.map(Some),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A recording, whole: a WAV file. None when it is on another machine, or gone.
    pub async fn recording(&self, recording: &Recording) -> io::Result<Option<Vec<u8>>> {
        let Some(data_dir) = &self.data_dir else { return Ok(None) };
        // A name of ours has no folder in it; what else stands in the store is not asked of the disk.
        if recording.file.contains(['/', '\\']) || recording.file.starts_with('.') {
            return Ok(None);
        }
        let path = data_dir.join("recordings").join(&recording.file);
        match fs::metadata(&path).await {
            Ok(file) if file.len() <= MOST_RECORDING_BYTES => fs::read(&path).await.map(Some),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn log_path(&self, call: &CallSid, attempt: u8) -> Option<PathBuf> {
        // A CallSid is letters, digits and a few signs; with two dots in a row it could still climb out of its folder.
        let name = call.as_str();
        let data_dir = self.data_dir.as_ref().filter(|_| !name.contains("..") && !name.contains(':'))?;
        Some(data_dir.join("calls").join(format!("{name}-{attempt}.jsonl")))
    }

    /// How loud caller and model are over the length of a recording, 0 to 100, in so many steps.
    pub fn peaks(recording: &[u8], steps: usize) -> Vec<(u8, u8)> {
        let samples = recording.get(HEADER_BYTES..).unwrap_or_default();
        // Caller and model take turns, a byte each.
        let step = (samples.len() / 2).div_ceil(steps.max(1)).max(1) * 2;
        let loud = |piece: &[u8], channel: usize| {
            let heard: Vec<u8> = piece.iter().skip(channel).step_by(2).copied().collect();
            let mut meter = Meter::default();
            meter.hear(&heard);
            // From −60 dB on, a line's noise, to what is as loud as speech gets.
            let db = i32::from(meter.level_db()) + 60;
            u8::try_from((db * 2).clamp(0, 100)).unwrap_or(0)
        };
        samples.chunks(step).map(|piece| (loud(piece, 0), loud(piece, 1))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::wav;

    #[tokio::test]
    async fn a_log_is_found_by_its_call_and_nothing_is_read_outside_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(Some(folder.path().to_owned()));
        let call = CallSid::parse("CA1").unwrap();
        std::fs::create_dir_all(folder.path().join("calls")).unwrap();
        std::fs::write(folder.path().join("calls/CA1-2.jsonl"), "two").unwrap();
        std::fs::write(folder.path().join("secret-1.jsonl"), "no").unwrap();
        assert_eq!(shelf.logs(&call, 3).await, [2]);
        assert_eq!(shelf.log(&call, 2).await.unwrap().as_deref(), Some("two"));
        assert_eq!(shelf.log(&call, 1).await.unwrap(), None);
        let outside = Recording {
            attempt: 1,
            file: "../secret-1.jsonl".to_owned(),
            length_ms: 1,
            instance: crate::domain::InstanceId::parse("here").unwrap(),
        };
        assert_eq!(shelf.recording(&outside).await.unwrap(), None);
        assert_eq!(Shelf::at(None).log(&call, 2).await.unwrap(), None);
    }

    #[test]
    fn peaks_tell_who_was_loud_when() {
        let (loud, quiet) = (0x80_u8, 0xFF_u8);
        let caller = [vec![loud; 800], vec![quiet; 800]].concat();
        let model = [vec![quiet; 800], vec![loud; 800]].concat();
        let peaks = Shelf::peaks(&wav::stereo_mulaw(&caller, &model), 2);
        let [(a, b), (c, d)] = peaks[..] else { panic!("{peaks:?}") };
        assert!(a > 80 && b == 0 && c == 0 && d > 80, "{peaks:?}");
    }
}
