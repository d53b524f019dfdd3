//! The files of one call: its event log and its recording. A queue that is full costs a file its completeness, never
//! the call a moment.

use std::io::{self, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::fs::{self, File};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio::sync::mpsc::error::SendError;
use tokio::time::timeout;

use super::queue::{Receiver, Sender, queue};
use crate::audio::mulaw;
use crate::audio::wav::{self, Encoding};
use crate::telemetry::metrics::Metrics;

/// Handed over at once: half a second of a log, a second of a recording. Each piece is one system call on another thread.
const PIECE_BYTES: usize = 16 * 1024;

/// Pieces waiting for the disk, 256 KiB a call at most: some five seconds of both files.
const DEPTH: usize = 16;

/// Caller and model.
const RECORDED_CHANNELS: u16 = 2;

/// Eight samples of each.
const RECORDED_BYTES_PER_MS: u64 = 8 * RECORDED_CHANNELS as u64;

/// What stands in an event log that lacks its end. Without a line break it is what a replay takes for a log cut short.
const TRUNCATED: &[u8] = b"{\"truncated\":\"the disk was slower than the call\"}";

/// Which files to write, and where.
#[derive(Debug, Clone, Default)]
pub(super) struct FilePlan {
    /// The event log.
    pub(super) log: Option<PathBuf>,
    /// The recording.
    pub(super) recording: Option<PathBuf>,
}

/// The call's end of the queue to its files.
#[derive(Debug)]
pub(super) struct Files {
    pieces: Sender<Piece>,
    /// Whole lines not yet handed over; none when no log is kept, or no longer.
    log: Option<Vec<u8>>,
    recording: Option<BytesMut>,
    log_truncated: bool,
    /// Bytes of the recording that were lost since the last piece of it.
    missed: usize,
}

/// Something to write.
#[derive(Debug)]
pub(super) enum Piece {
    /// Whole lines of the event log.
    Log(Vec<u8>),
    /// The event log ends here, too early.
    LogTruncated,
    /// So many bytes of silence, and then this.
    Recording(usize, Bytes),
}

/// A recording that is on the disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    /// The file's name, without its folder.
    pub(super) file: String,
    /// Its length, in milliseconds.
    pub(super) length_ms: u64,
}

/// A queue to the files, and its other end for [`write`].
pub(super) fn begin(plan: &FilePlan, metrics: &Metrics) -> (Files, Receiver<Piece>) {
    let (pieces, queued) = queue(DEPTH, "files", metrics);
    let log = plan.log.is_some().then(Vec::new);
    let recording = plan.recording.is_some().then(BytesMut::new);
    (Files { pieces, log, recording, log_truncated: false, missed: 0 }, queued)
}

impl Files {
    /// Where the next lines of the event log go; none when they would be read by nobody.
    pub(super) fn log(&mut self) -> Option<&mut Vec<u8>> {
        self.log.as_mut()
    }

    /// Hands over the log's lines when there are enough. A log with a hole cannot be replayed: it ends at its first.
    pub(super) fn log_written(&mut self) {
        let Some(lines) = self.log.take_if(|lines| lines.len() >= PIECE_BYTES) else { return };
        match self.pieces.try_send(Piece::Log(lines)) {
            Ok(()) => self.log = Some(Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 4)),
            Err(_full) => {
                self.log_truncated = true;
                tracing::warn!("the event log of this call is cut short: the disk is slower than the call");
            }
        }
    }

    /// Takes the next piece of the recording. What is lost becomes silence, so that both voices stay in step.
    pub(super) fn record(&mut self, audio: &[u8]) {
        let Some(buffer) = &mut self.recording else { return };
        buffer.extend_from_slice(audio);
        if buffer.len() < PIECE_BYTES {
            return;
        }
        let piece = buffer.split().freeze();
        let bytes = piece.len();
        match self.pieces.try_send(Piece::Recording(self.missed, piece)) {
            Ok(()) => self.missed = 0,
            Err(_full) => self.missed += bytes,
        }
    }

    /// Hands over the rest. The call is over, so there is time; but no more than `patience`.
    pub(super) async fn finish(self, patience: Duration) {
        let rest = async {
            if let Some(audio) = self.recording.filter(|audio| !audio.is_empty()) {
                self.pieces.send(Piece::Recording(self.missed, audio.freeze())).await?;
            }
            if self.log_truncated {
                self.pieces.send(Piece::LogTruncated).await?;
            }
            if let Some(lines) = self.log.filter(|lines| !lines.is_empty()) {
                self.pieces.send(Piece::Log(lines)).await?;
            }
            Ok::<(), SendError<Piece>>(())
        };
        if !matches!(timeout(patience, rest).await, Ok(Ok(()))) {
            tracing::warn!("the files of this call lack their end");
        }
    }
}

/// Writes what is handed over until the call drops its end of the queue, and gives the recording, if there is one. A file
/// that cannot be written is given up with one word in the log.
pub(super) async fn write(plan: FilePlan, mut pieces: Receiver<Piece>) -> Option<Recorded> {
    let (mut log, mut recording) = (Output::new(plan.log), Output::new(plan.recording));
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Log(lines) => log.append(&lines).await,
            Piece::LogTruncated => log.append(TRUNCATED).await,
            Piece::Recording(missed, audio) => {
                if recording.bytes == 0 {
                    recording
                        .append(&wav::header(RECORDED_CHANNELS, Encoding::Mulaw8k, wav::UNKNOWN_BYTES))
                        .await;
                    recording.bytes = 0;
                }
                if missed > 0 {
                    recording.append(&vec![mulaw::SILENCE; missed]).await;
                }
                recording.append(&audio).await;
            }
        }
    }
    if recording.bytes > 0 {
        let known = u32::try_from(recording.bytes).unwrap_or(wav::UNKNOWN_BYTES);
        recording.patch(&wav::header(RECORDED_CHANNELS, Encoding::Mulaw8k, known)).await;
    }
    log.close().await;
    recording.close().await;
    recording.recorded()
}

/// One file, opened when there is something to write.
struct Output {
    path: Option<PathBuf>,
    file: Option<File>,
    bytes: usize,
}

impl Output {
    fn new(path: Option<PathBuf>) -> Self {
        Self { path, file: None, bytes: 0 }
    }

    async fn append(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        let written = async {
            self.open().await?;
            match &mut self.file {
                Some(file) => file.write_all(bytes).await,
                None => Ok(()),
            }
        };
        let written = written.await;
        self.give_up_on(written);
    }

    async fn open(&mut self) -> io::Result<()> {
        let (Some(path), None) = (&self.path, &self.file) else { return Ok(()) };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).await?;
        }
        self.file = Some(File::create(path).await?);
        Ok(())
    }

    /// Writes over the beginning.
    async fn patch(&mut self, bytes: &[u8]) {
        let Some(file) = &mut self.file else { return };
        let written = async {
            file.seek(SeekFrom::Start(0)).await?;
            file.write_all(bytes).await
        };
        let written = written.await;
        self.give_up_on(written);
    }

    async fn close(&mut self) {
        if let Some(file) = &mut self.file {
            let flushed = file.flush().await;
            self.give_up_on(flushed);
        }
    }

    /// What of the recording is on the disk; none when nothing was to be recorded, or could be.
    fn recorded(&self) -> Option<Recorded> {
        let (Some(path), Some(_open), true) = (&self.path, &self.file, self.bytes > 0) else { return None };
        let file = path.file_name()?.to_str()?.to_owned();
        Some(Recorded { file, length_ms: self.bytes as u64 / RECORDED_BYTES_PER_MS })
    }

    fn give_up_on(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            tracing::error!(%error, path = ?self.path, "cannot write a file of this call");
            (self.path, self.file) = (None, None);
        }
    }
}

#[cfg(test)]
mod tests;
