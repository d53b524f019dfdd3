//! A call's files, with a disk that keeps up and one that does not.

use super::*;

fn plan(folder: &tempfile::TempDir) -> FilePlan {
    FilePlan {
        log: Some(folder.path().join("calls/CA1-1.jsonl")),
        recording: Some(folder.path().join("recordings/CA1-1.wav")),
    }
}

async fn finish(files: Files, plan: FilePlan, queued: Receiver<Piece>) {
    tokio::join!(files.finish(Duration::from_secs(5)), write(plan, queued));
}

#[tokio::test]
async fn a_recording_is_a_wav_file_with_its_true_length() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&folder);
    let (mut files, queued) = begin(&plan, &Metrics::new("i-1"));
    files.record(&[1, 2]);
    files.record(&[3; PIECE_BYTES]);
    files.record(&[4, 5]);
    finish(files, plan.clone(), queued).await;
    let file = std::fs::read(plan.recording.unwrap()).unwrap();
    let audio = [&[1, 2][..], &[3; PIECE_BYTES], &[4, 5]].concat();
    let head = wav::header(2, Encoding::Mulaw8k, u32::try_from(audio.len()).unwrap());
    assert_eq!(file, [head, audio].concat());
    assert!(!plan.log.unwrap().exists(), "nothing was logged");
}

#[tokio::test]
async fn a_slow_disk_puts_silence_where_the_recording_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&folder);
    let (mut files, queued) = begin(&plan, &Metrics::new("i-1"));
    let lost = 3;
    for piece in 0..DEPTH + lost {
        files.record(&vec![u8::try_from(piece).unwrap(); PIECE_BYTES]);
    }
    assert_eq!(files.missed, lost * PIECE_BYTES);
    files.record(b"end");
    finish(files, plan.clone(), queued).await;
    let file = std::fs::read(plan.recording.unwrap()).unwrap();
    let head = wav::header(2, Encoding::Mulaw8k, 0).len();
    let (audio, rest) = file[head..].split_at(DEPTH * PIECE_BYTES);
    assert_eq!(audio.last(), Some(&u8::try_from(DEPTH - 1).unwrap()));
    let (silence, end) = rest.split_at(lost * PIECE_BYTES);
    assert!(silence.iter().all(|byte| *byte == mulaw::SILENCE));
    assert_eq!(end, b"end");
}

#[tokio::test]
async fn a_slow_disk_cuts_the_log_short_and_the_log_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&folder);
    let (mut files, queued) = begin(&plan, &Metrics::new("i-1"));
    let line = [vec![b'x'; PIECE_BYTES], vec![b'\n']].concat();
    for _ in 0..DEPTH + 1 {
        files.log().unwrap().extend_from_slice(&line);
        files.log_written();
    }
    assert!(files.log().is_none(), "nothing more is taken");
    finish(files, plan.clone(), queued).await;
    let file = std::fs::read(plan.log.unwrap()).unwrap();
    assert_eq!(file, [line.repeat(DEPTH), TRUNCATED.to_vec()].concat());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_loses_the_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&folder);
    std::fs::write(folder.path().join("recordings"), "in the way").unwrap();
    let (mut files, queued) = begin(&plan, &Metrics::new("i-1"));
    files.record(b"audio");
    files.log().unwrap().extend_from_slice(b"line\n");
    finish(files, plan.clone(), queued).await;
    assert_eq!(std::fs::read(plan.log.unwrap()).unwrap(), b"line\n");
}

#[tokio::test]
async fn without_a_plan_nothing_is_collected() {
    let (mut files, _queued) = begin(&FilePlan::default(), &Metrics::new("i-1"));
    files.record(&[0; PIECE_BYTES]);
    assert!(files.log().is_none() && files.recording.is_none());
}
