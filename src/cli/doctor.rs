//! `frontdesk doctor URL`: finds which hop of a deployment is at fault, and says how to mend it.

mod watch;

use std::io::{self, ErrorKind, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::SecretString;
use uuid::Uuid;

use super::call::{is_here, webhook};
use crate::clients::tls_with_public_roots;
use crate::config::{Doctor, TwilioAuth};
use crate::doctor::{Answers, Examination, Step, print};
use crate::domain::{AccountSid, PhoneNumber, Pii};
use crate::http::paths;
use crate::server::{made_local_token, twilio_rest};
use crate::telemetry;

/// What a doctor is asked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes:
  0  a call would connect
  1  it would, and something is not as it should be
  2  it would not: the verdict names a row of the table, what was seen of it, and how to mend it
  3  too little could be seen to tell

Examples:
  frontdesk doctor                                this deployment, by PUBLIC_URL, or the server on this machine
  frontdesk doctor voice.example.com              any other; with TWILIO_AUTH_TOKEN and ADMIN_TOKEN as it has them
  frontdesk doctor voice.example.com --watch      during a real call: what comes to the media socket, as it comes

It takes less than half a minute. The webhook is asked as Twilio asks, so the server keeps one call more; the model is
heard for four seconds, unless --no-call.")]
pub(super) struct DoctorArguments {
    /// The voice webhook: https://voice.example.com/twilio-voice. A bare host gets the path; nothing is PUBLIC_URL, or
    /// the server on this machine.
    url: Option<String>,
    /// The line that is called: one a business owns. Else it is looked up at Twilio, or at the server with ADMIN_TOKEN.
    #[arg(long, value_parser = line)]
    to: Option<PhoneNumber>,
    /// Carries no call on the stream: nothing is said to a model.
    #[arg(long)]
    no_call: bool,
    /// Holds a bare socket for so many seconds on which nothing moves, to find a proxy that closes such. Needs ADMIN_TOKEN.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=900))]
    hold: Option<u64>,
    /// An authority to believe besides the world's: a PEM file.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Takes this address for that name, whatever DNS says: to see a deployment before its name leads there. Repeatable.
    #[arg(long, value_name = "HOST=ADDRESS", value_parser = resolved)]
    resolve: Vec<(String, IpAddr)>,
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
    settings: Doctor,
    out: &mut dyn Write,
) -> anyhow::Result<u8> {
    let examination = examination(arguments, settings).await?;
    if arguments.watch {
        return watch::watch(&examination, out).await;
    }
    let mut page = Page { out, broken: None };
    if !arguments.json {
        page.write(|out| writeln!(out, "examining {} as Twilio would\n", examination.webhook));
    }
    let mut tell = |step: &Step| {
        if !arguments.json {
            page.write(|out| step.print(out));
        }
    };
    let examined = examination.run(&mut tell).await.context("--ca cannot be used")?;
    if arguments.json {
        let document = serde_json::to_string_pretty(&examined)?;
        page.write(|out| writeln!(out, "{document}"));
    } else {
        page.write(|out| print(&examined, out));
    }
    page.end()?;
    Ok(examined.verdict.level.exit_code())
}

async fn examination(arguments: &DoctorArguments, settings: Doctor) -> anyhow::Result<Examination> {
    let Doctor { twilio, storage, admin_token, told } = settings;
    let url = match (&arguments.url, &told.public) {
        (Some(url), _) => webhook(url)?,
        (None, Some(public)) => public.url.join(paths::VOICE),
        (None, None) => anyhow::bail!("say which deployment: frontdesk doctor https://voice.example.com"),
    };
    let account = match twilio.as_ref().and_then(|twilio| twilio.account.clone()) {
        Some(account) => account,
        None => AccountSid::parse(&format!("AC{}", Uuid::new_v4().simple()))?,
    };
    let auth_token: Option<SecretString> = match twilio.as_ref().map(|twilio| &twilio.auth) {
        Some(TwilioAuth::Tokens(tokens)) => tokens.first().cloned(),
        // A server on this machine made one, which nobody else can know.
        Some(TwilioAuth::Local) if is_here(&url) => match &storage {
            Some(storage) => made_local_token(storage).await,
            None => None,
        },
        Some(TwilioAuth::Local) | None => None,
    };
    let rest = match &twilio {
        Some(twilio) => twilio_rest(twilio, tls_with_public_roots()?.as_ref())?,
        None => None,
    };
    Ok(Examination {
        webhook: url.parse().with_context(|| format!("{url:?} is not a URL"))?,
        to: arguments.to.as_ref().map(|to| Pii::new(to.as_str().to_owned())),
        account,
        auth_token,
        admin_token,
        rest,
        roots: arguments.ca.as_deref().map(roots).transpose()?.unwrap_or_default(),
        names: arguments.resolve.clone(),
        call: !arguments.no_call,
        hold: arguments.hold.map(Duration::from_secs),
        told,
        answers: Answers {
            health: paths::HEALTH,
            echo: paths::DOCTOR_ECHO,
            socket: paths::DOCTOR_WS,
            recent: paths::DOCTOR_RECENT,
            media: paths::MEDIA,
            voice: paths::VOICE,
            status: paths::STATUS,
            businesses: BUSINESSES,
        },
        now_ms: telemetry::wall_clock(),
    })
}

/// Where the API lists the businesses.
const BUSINESSES: &str = "/api/businesses";

/// Where what people read goes, line by line. A reader who has seen enough ends the reading, and not the examination: its
/// exit code is still wanted.
struct Page<'a> {
    out: &'a mut dyn Write,
    broken: Option<io::Error>,
}

impl Page<'_> {
    fn write(&mut self, what: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.broken.is_none() {
            self.broken = what(self.out).and_then(|()| self.out.flush()).err();
        }
    }

    fn end(self) -> io::Result<()> {
        match self.broken {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            Some(_) | None => Ok(()),
        }
    }
}

fn line(text: &str) -> Result<PhoneNumber, String> {
    PhoneNumber::parse(text).map_err(|error| error.to_string())
}

fn resolved(text: &str) -> Result<(String, IpAddr), String> {
    let (host, address) = text.split_once('=').ok_or("write HOST=ADDRESS")?;
    let address = address.parse().map_err(|_| format!("{address:?} is not an IP address"))?;
    Ok((host.to_owned(), address))
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
