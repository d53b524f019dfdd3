//! `frontdesk doctor URL`: finds which hop of a deployment is at fault, and says how to mend it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use uuid::Uuid;

use super::call::{token, webhook};
use super::scene;
use crate::clients::tls_with_public_roots;
use crate::config::Doctor;
use crate::doctor::{Answers, Examination, news, print};
use crate::domain::AccountSid;
use crate::http::paths;
use crate::server::twilio_rest;
use crate::telemetry;

/// Between two looks: Twilio opens a stream within half a second of the TwiML, and a person reads no faster.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// What a doctor is asked.
#[derive(Debug, clap::Args)]
pub(super) struct DoctorArguments {
    /// The voice webhook: https://voice.example.com/twilio-voice. A bare host gets the path; nothing is PUBLIC_URL.
    url: Option<String>,
    /// The line that is called: one a business owns.
    #[arg(long, default_value = scene::LUNA_LINE)]
    to: String,
    /// Places no call: nothing is said, and no model paid.
    #[arg(long)]
    no_call: bool,
    /// An authority to believe besides the world's: a PEM file.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Prints everything that was seen as one JSON document, and nothing else.
    #[arg(long, conflicts_with = "watch")]
    json: bool,
    /// Examines nothing, and prints what happens at the media socket as it happens, during a real call. Needs ADMIN_TOKEN.
    #[arg(long)]
    watch: bool,
}

/// Examines, tells what it sees as it goes, then one verdict; gives the exit code.
pub(super) async fn run(
    arguments: &DoctorArguments,
    settings: &Doctor,
    out: &mut dyn Write,
) -> anyhow::Result<u8> {
    let asked = match (&arguments.url, &settings.public_url) {
        (Some(url), _) => url.clone(),
        (None, Some(url)) => url.to_string(),
        (None, None) => anyhow::bail!("say which deployment: frontdesk doctor https://voice.example.com"),
    };
    let url = webhook(&asked)?;
    let account = match &settings.twilio.account {
        Some(account) => account.clone(),
        None => AccountSid::parse(&format!("AC{}", Uuid::new_v4().simple()))?,
    };
    let tls = tls_with_public_roots()?;
    let examination = Examination {
        webhook: url.parse().with_context(|| format!("{asked:?} is not a URL"))?,
        to: arguments.to.clone(),
        account,
        // Without one, most can be seen all the same.
        auth_token: token(&url, &settings.twilio, &settings.storage).await.ok().map(Into::into),
        admin_token: settings.admin_token.clone(),
        rest: twilio_rest(&settings.twilio, &tls)?,
        roots: arguments.ca.as_deref().map(roots).transpose()?.unwrap_or_default(),
        call: !arguments.no_call && arguments.ca.is_none(),
        answers: Answers {
            health: paths::HEALTH,
            echo: paths::DOCTOR_ECHO,
            socket: paths::DOCTOR_WS,
            recent: paths::DOCTOR_RECENT,
            media: paths::MEDIA,
        },
        now_ms: telemetry::wall_clock(),
    };
    if arguments.watch {
        return watch(&examination, out).await;
    }
    let mut broken = None;
    let mut tell = |step: &crate::doctor::Step| {
        if !arguments.json
            && let Err(error) = step.print(out).and_then(|()| out.flush())
        {
            broken.get_or_insert(error);
        }
    };
    let examined = examination.run(&mut tell).await.context("--ca cannot be used")?;
    if let Some(error) = broken {
        return Err(error.into());
    }
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &examined)?;
        writeln!(out)?;
    } else {
        print(&examined, out)?;
    }
    Ok(examined.verdict.level.exit_code())
}

/// Prints what is new at the media socket, for as long as somebody watches.
async fn watch(examination: &Examination, out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut shown = None;
    loop {
        let recent = examination.recent().await?.context(
            "the server does not say what happened lately: set ADMIN_TOKEN to its own, and see that it is frontdesk",
        )?;
        let since_ms = *shown.get_or_insert(recent.now_ms);
        for line in news(&recent, since_ms) {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        shown = Some(recent.now_ms);
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

fn roots(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = || format!("could not read {}", path.display());
    let roots: Vec<_> = CertificateDer::pem_file_iter(path)
        .with_context(read)?
        .collect::<Result<_, _>>()
        .with_context(read)?;
    ensure!(!roots.is_empty(), "{} has no certificate in it", path.display());
    Ok(roots)
}
