//! The bell of the outbox: whoever posts rings it, whoever tells listens.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Notify;

/// Says that there is something to tell. Saying it is never a wait, and said twice it is heard once. Clones are the same
/// bell.
#[derive(Clone, Default)]
pub struct Nudge(Arc<Notify>);

impl Nudge {
    /// There is something to tell now.
    pub fn nudge(&self) {
        self.0.notify_one();
    }

    /// Waits until somebody says so; at once, when somebody has since it was last heard.
    pub async fn heard(&self) {
        self.0.notified().await;
    }
}

impl fmt::Debug for Nudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nudge")
    }
}
