//! Greetings as they were said before, so that the next caller hears one at once. Kept in memory, and in files that
//! outlive us.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use tokio::fs;
use tokio::time::timeout;

use crate::domain::{BusinessId, Voice};

/// All greetings in memory together: five seconds are 40 KB, so this is some 1,600 businesses; the others read a file.
const MAX_MEMORY_BYTES: u64 = 64 * 1024 * 1024;

/// One greeting: a minute. What is longer is no greeting, and would push the others out.
pub(super) const MAX_AUDIO_BYTES: usize = 60 * 8_000;

/// A call waits so long for the file before it goes on without; the model is dialled only after it.
const READ_PATIENCE: Duration = Duration::from_millis(50);

/// Begins a greeting's file; another format gets another word.
const MAGIC: &[u8; 8] = b"fdgreet1";

/// A greeting by whose it is, its words, its voice and the model that said it: any other is another greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct GreetingKey([u8; 32]);

impl GreetingKey {
    pub(super) fn new(business: &BusinessId, words: &str, voice: &Voice, model: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [business.as_str(), words, voice.as_str(), model] {
            // With its length before it, no part can pass for the beginning of the next.
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    fn file_name(&self) -> String {
        self.0.iter().fold(String::new(), |mut name, byte| {
            // Writing to a string cannot fail.
            let _ = write!(name, "{byte:02x}");
            name
        }) + ".ulaw"
    }
}

/// The greetings of all businesses.
#[derive(Debug)]
pub(super) struct Greetings {
    memory: Cache<GreetingKey, Bytes>,
    folder: Option<PathBuf>,
}

/// A greeting's file, to be written by somebody who has time.
#[derive(Debug)]
pub(super) struct GreetingFile {
    path: PathBuf,
    audio: Bytes,
}

impl Greetings {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        let memory = Cache::builder()
            .max_capacity(MAX_MEMORY_BYTES)
            .weigher(|_key, audio: &Bytes| u32::try_from(audio.len()).unwrap_or(u32::MAX))
            .build();
        Self { memory, folder }
    }

    /// The audio of a greeting, if it was kept.
    pub(super) async fn find(&self, key: &GreetingKey) -> Option<Bytes> {
        if let Some(audio) = self.memory.get(key) {
            return Some(audio);
        }
        let path = self.folder.as_ref()?.join(key.file_name());
        let audio = match timeout(READ_PATIENCE, read(&path)).await {
            Ok(Ok(audio)) => audio,
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return None,
            Ok(Err(error)) => {
                tracing::warn!(%error, path = %path.display(), "cannot use a kept greeting");
                return None;
            }
            Err(_elapsed) => {
                tracing::warn!("the disk is too slow to greet from");
                return None;
            }
        };
        self.memory.insert(*key, audio.clone());
        Some(audio)
    }

    /// Keeps a greeting in memory; the rest of the work is in the returned file, if there is one to write.
    pub(super) fn keep(&self, key: &GreetingKey, audio: Bytes) -> Option<GreetingFile> {
        if audio.is_empty() || audio.len() > MAX_AUDIO_BYTES {
            return None;
        }
        self.memory.insert(*key, audio.clone());
        let path = self.folder.as_ref()?.join(key.file_name());
        Some(GreetingFile { path, audio })
    }
}

impl GreetingFile {
    /// Writes it beside its place first, so that nobody ever reads half of it.
    pub(super) async fn write(self) {
        let written = async {
            if let Some(folder) = self.path.parent() {
                fs::create_dir_all(folder).await?;
            }
            let draft = self.path.with_extension("new");
            let checksum: [u8; 32] = Sha256::digest(&self.audio).into();
            fs::write(&draft, [MAGIC.as_slice(), &checksum, &self.audio].concat()).await?;
            fs::rename(&draft, &self.path).await
        };
        if let Err(error) = written.await {
            tracing::warn!(%error, path = %self.path.display(), "cannot keep a greeting");
        }
    }
}

async fn read(path: &Path) -> io::Result<Bytes> {
    let corrupt =
        || io::Error::new(io::ErrorKind::InvalidData, "the file is damaged; it will be written anew");
    let content = Bytes::from(fs::read(path).await?);
    let rest = content.strip_prefix(MAGIC.as_slice()).ok_or_else(corrupt)?;
    let (checksum, audio) = rest.split_first_chunk::<32>().ok_or_else(corrupt)?;
    if audio.is_empty() || audio.len() > MAX_AUDIO_BYTES || Sha256::digest(audio).as_slice() != checksum {
        return Err(corrupt());
    }
    Ok(content.slice_ref(audio))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(words: &str) -> GreetingKey {
        GreetingKey::new(
            &BusinessId::parse("business-1").unwrap(),
            words,
            &Voice::new("marin"),
            "gpt-realtime",
        )
    }

    #[tokio::test]
    async fn a_kept_greeting_is_found_again_by_a_later_process() {
        let folder = tempfile::tempdir().unwrap();
        let place = Some(folder.path().join("greetings"));
        let audio = Bytes::from_static(b"\xff\x7e\x00");
        Greetings::new(place.clone()).keep(&key("hello"), audio.clone()).unwrap().write().await;
        let later = Greetings::new(place);
        assert_eq!(later.find(&key("hello")).await, Some(audio));
        assert_eq!(later.find(&key("hello!")).await, None);
    }

    #[tokio::test]
    async fn a_damaged_file_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let greetings = Greetings::new(Some(folder.path().to_owned()));
        greetings.keep(&key("hello"), Bytes::from_static(b"audio")).unwrap().write().await;
        let path = folder.path().join(key("hello").file_name());
        let whole = std::fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for damaged in [&whole[..whole.len() - 1], &whole[..10], &flipped, b""] {
            std::fs::write(&path, damaged).unwrap();
            let fresh = Greetings::new(Some(folder.path().to_owned()));
            assert_eq!(fresh.find(&key("hello")).await, None, "{} bytes", damaged.len());
        }
    }

    #[tokio::test]
    async fn without_a_folder_memory_serves() {
        let greetings = Greetings::new(None);
        assert!(greetings.keep(&key("hello"), Bytes::from_static(b"audio")).is_none());
        assert!(greetings.find(&key("hello")).await.is_some());
        assert!(greetings.keep(&key("endless"), Bytes::from(vec![0; MAX_AUDIO_BYTES + 1])).is_none());
        assert!(greetings.find(&key("endless")).await.is_none());
    }

    #[test]
    fn no_part_of_a_key_can_pass_for_another() {
        let business = |id| BusinessId::parse(id).unwrap();
        let marin = Voice::new("marin");
        let one = GreetingKey::new(&business("a"), "bc", &marin, "m");
        assert_ne!(one, GreetingKey::new(&business("ab"), "c", &marin, "m"));
        assert_ne!(one, GreetingKey::new(&business("a"), "bc", &Voice::new("cedar"), "m"));
        assert_ne!(one, GreetingKey::new(&business("a"), "bc", &marin, "n"));
    }
}
