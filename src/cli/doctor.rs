//! `frontdesk doctor URL`: finds which hop of a deployment is at fault, and says how to mend it.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use uuid::Uuid;

use super::call::{token, webhook};
use super::scene;
use crate::config::Doctor;
use crate::doctor::{Answers, Examination, print};
use crate::domain::AccountSid;
use crate::http::paths;
use crate::telemetry;

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
    #[arg(long)]
    json: bool,
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
    let examination = Examination {
        webhook: url.parse().with_context(|| format!("{asked:?} is not a URL"))?,
        to: arguments.to.clone(),
        account,
        // Without one, most can be seen all the same.
        auth_token: token(&url, &settings.twilio, &settings.storage).await.ok().map(Into::into),
        admin_token: settings.admin_token.clone(),
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

fn roots(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = || format!("could not read {}", path.display());
    let roots: Vec<_> = CertificateDer::pem_file_iter(path)
        .with_context(read)?
        .collect::<Result<_, _>>()
        .with_context(read)?;
    ensure!(!roots.is_empty(), "{} has no certificate in it", path.display());
    Ok(roots)
}
