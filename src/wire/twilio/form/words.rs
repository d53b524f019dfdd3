//! The words Twilio has for states, each with `Other` for those it will have.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A word we do not know; empty when nothing was said.
            Other(String),
        }

        impl $name {
            /// Twilio's word for it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }

            /// Twilio's word, or none.
            pub fn of(word: Option<String>) -> Self {
                let word = word.unwrap_or_default();
                match word.as_str() {
                    $($word => Self::$variant,)+
                    _ => Self::Other(word),
                }
            }
        }
    };
}

words!(
    /// Where a call stands.
    CallStatus {
        /// Waiting to be made.
        Queued = "queued",
        /// On its way out.
        Initiated = "initiated",
        /// Ringing.
        Ringing = "ringing",
        /// Somebody talks.
        InProgress = "in-progress",
        /// Over, after somebody talked.
        Completed = "completed",
        /// The other side was busy.
        Busy = "busy",
        /// It could not be made.
        Failed = "failed",
        /// Nobody answered.
        NoAnswer = "no-answer",
        /// Given up before an answer.
        Canceled = "canceled",
    }
);

impl CallStatus {
    /// Whether the call is over, however it ended.
    pub fn is_over(&self) -> bool {
        match self {
            Self::Completed | Self::Busy | Self::Failed | Self::NoAnswer | Self::Canceled => true,
            Self::Queued | Self::Initiated | Self::Ringing | Self::InProgress | Self::Other(_) => false,
        }
    }
}

words!(
    /// Who began a call.
    Direction {
        /// The caller.
        Inbound = "inbound",
        /// Our own request to Twilio.
        OutboundApi = "outbound-api",
        /// A `<Dial>`.
        OutboundDial = "outbound-dial",
        /// A trunk, towards us.
        TrunkingOriginating = "trunking-originating",
        /// A trunk, towards the network.
        TrunkingTerminating = "trunking-terminating",
    }
);

words!(
    /// How the other side of a transfer answered.
    DialCallStatus {
        /// Both talked, and it is over.
        Completed = "completed",
        /// Somebody answered.
        Answered = "answered",
        /// It was busy.
        Busy = "busy",
        /// Nobody answered in time.
        NoAnswer = "no-answer",
        /// It could not be dialled.
        Failed = "failed",
        /// The caller hung up first.
        Canceled = "canceled",
    }
);

impl DialCallStatus {
    /// Whether somebody talked with the caller.
    pub fn was_answered(&self) -> bool {
        match self {
            Self::Completed | Self::Answered => true,
            Self::Busy | Self::NoAnswer | Self::Failed | Self::Canceled | Self::Other(_) => false,
        }
    }
}

words!(
    /// What happened to a stream.
    StreamEvent {
        /// It began.
        Started = "stream-started",
        /// It ended.
        Stopped = "stream-stopped",
        /// It failed, perhaps before it began.
        Failed = "stream-error",
    }
);

words!(
    /// What became of a recording.
    RecordingStatus {
        /// It is being made.
        InProgress = "in-progress",
        /// It can be heard.
        Completed = "completed",
        /// There is none: it was too short, or silent.
        Absent = "absent",
        /// It could not be made.
        Failed = "failed",
    }
);
