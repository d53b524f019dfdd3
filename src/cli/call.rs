//! `frontdesk call URL`: places a test call on any deployment, exactly as Twilio would.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::ladder::Ladder;
use super::scene;
use crate::audio::{mulaw, wav};
use crate::config::{Storage, Twilio, TwilioAuth};
use crate::domain::{AccountSid, PublicUrl};
use crate::server::local_token;
use crate::sim::socket::{CallPlan, Phone, PhoneEvent, PhoneReport};
use crate::sim::{Act, Step, When};

/// More calls at once than this need more than one machine to place them.
const MOST_CALLS: u32 = 2_000;

/// Under load, calls begin so far apart: a telephone network does not ring a thousand times in one instant.
const BETWEEN_CALLS: Duration = Duration::from_millis(10);

/// What a test call is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct CallArguments {
    /// The voice webhook: https://voice.example.com/twilio-voice. A bare host gets the path.
    url: String,
    /// The line that is called.
    #[arg(long, default_value = scene::LUNA_LINE)]
    to: String,
    /// Who calls.
    #[arg(long, default_value = "+14155550123")]
    from: String,
    /// What the caller says, once the greeting is over: a WAV file.
    #[arg(long)]
    audio: Option<PathBuf>,
    /// Where what the caller heard goes: a WAV file.
    #[arg(long)]
    out: Option<PathBuf>,
    /// How many calls at once: for load.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_CALLS)))]
    calls: u32,
    /// How long each lasts, in seconds, when there are many.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
}

/// Places the call or the calls, and prints what happened. Fails when a call was not carried.
pub(super) async fn run(
    arguments: &CallArguments,
    twilio: &Twilio,
    storage: &Storage,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let url = webhook(&arguments.url)?;
    let token = token(&url, twilio, storage).await?;
    let account = match &twilio.account {
        Some(account) => account.clone(),
        None => AccountSid::parse(&format!("AC{}", Uuid::new_v4().simple()))?,
    };
    let mut plan = CallPlan::new(&url, token, account, &arguments.to, &arguments.from)?;
    plan.before_stream = scene::BEFORE_STREAM;
    plan.longest = Duration::from_secs(120);
    plan.caller = match &arguments.audio {
        Some(path) => speaking(path).await?,
        None => scene::anybody()?,
    };
    let phone = Phone::new(None)?;
    if arguments.calls > 1 {
        return load(&phone, &plan, arguments, out).await;
    }
    let report = phone.call(plan).await;
    Ladder::from_outside(&report).print(out)?;
    if let Some(path) = &arguments.out {
        let heard = report.heard();
        let header = wav::header(1, wav::Encoding::Mulaw8k, u32::try_from(heard.len()).unwrap_or(u32::MAX));
        tokio::fs::write(path, [header, heard].concat())
            .await
            .with_context(|| format!("could not write {}", path.display()))?;
        writeln!(out, "\nwhat the caller heard: {}", path.display())?;
    }
    verdict(&report)
}

fn verdict(report: &PhoneReport) -> anyhow::Result<()> {
    let problems = report.problems();
    ensure!(problems.is_empty(), "Twilio would complain:\n  {}", problems.join("\n  "));
    ensure!(
        report.when(|event| *event == PhoneEvent::Upgraded).is_some(),
        "no stream was opened; the TwiML above says why"
    );
    let heard = report.heard();
    ensure!(
        heard.iter().any(|byte| *byte != mulaw::SILENCE),
        "the stream was opened, and the caller heard nothing"
    );
    Ok(())
}

/// The URL as it will be signed; a host without a path gets the path of our webhook.
pub(super) fn webhook(text: &str) -> anyhow::Result<String> {
    let with_scheme = match text.contains("://") {
        true => text.to_owned(),
        // What is on this machine has no certificate.
        false if PublicUrl::parse(&format!("http://{text}")).is_ok() => format!("http://{text}"),
        false => format!("https://{text}"),
    };
    let url = url::Url::parse(&with_scheme).with_context(|| format!("{text:?} is not a URL"))?;
    ensure!(matches!(url.scheme(), "http" | "https"), "{text:?} is not an http or https URL");
    if url.path() == "/" {
        let base = with_scheme.split(['?', '#']).next().unwrap_or(&with_scheme).trim_end_matches('/');
        return Ok(format!("{base}{}", crate::http::paths::VOICE));
    }
    Ok(with_scheme)
}

/// Whether a webhook is on this machine.
pub(super) fn is_here(url: &str) -> bool {
    let base = url.split(['?', '#']).next().unwrap_or(url);
    PublicUrl::parse(base).is_ok_and(|url| url.is_loopback())
}

/// What signs the call: the account's token, or this machine's own for a server on it.
pub(super) async fn token(url: &str, twilio: &Twilio, storage: &Storage) -> anyhow::Result<String> {
    match &twilio.auth {
        TwilioAuth::Tokens(tokens) => Ok(tokens
            .first()
            .context("a test call is signed with TWILIO_AUTH_TOKEN; set it beside TWILIO_SHARED_KEYS")?
            .expose_secret()
            .to_owned()),
        TwilioAuth::Local if is_here(url) => Ok(local_token(storage).await?.expose_secret().to_owned()),
        TwilioAuth::Local => {
            bail!("set TWILIO_AUTH_TOKEN to the token that deployment checks signatures with")
        }
    }
}

async fn speaking(path: &Path) -> anyhow::Result<Vec<Step>> {
    let file = tokio::fs::read(path).await.with_context(|| format!("could not read {}", path.display()))?;
    let audio = wav::read(&file).with_context(|| format!("could not read {}", path.display()))?.to_mulaw_8k();
    Ok(vec![
        Step { when: When::AfterSilence(800), act: Act::Say(audio.into()) },
        Step { when: When::AfterSilence(2_000), act: Act::HangUp },
    ])
}

/// Many calls at once, a bar while they last, and a table.
async fn load(
    phone: &Phone,
    plan: &CallPlan,
    arguments: &CallArguments,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let bar = ProgressBar::new(u64::from(arguments.calls));
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} calls over  {elapsed_precise}")?);
    bar.tick();
    let mut calls = FuturesUnordered::new();
    for number in 0..arguments.calls {
        let plan = CallPlan::new(
            &plan.webhook,
            plan.auth_token.clone(),
            plan.account.clone(),
            &plan.to,
            &plan.from,
        )?;
        calls.push(one_of_many(phone, plan, arguments.seconds, number));
    }
    let mut reports = Vec::with_capacity(calls.len());
    while let Some(report) = calls.next().await {
        bar.inc(1);
        reports.push(report);
    }
    bar.finish_and_clear();
    table(&reports, out)?;
    let failed = reports.iter().filter(|report| verdict(report).is_err()).count();
    if let Some(error) = reports.iter().find_map(|report| verdict(report).err()) {
        bail!("{failed} of {} calls were not carried; the first: {error:#}", reports.len());
    }
    Ok(())
}

async fn one_of_many(phone: &Phone, mut plan: CallPlan, seconds: u64, number: u32) -> PhoneReport {
    tokio::time::sleep(BETWEEN_CALLS * number).await;
    plan.caller = vec![Step { when: When::After(seconds * 1_000), act: Act::HangUp }];
    plan.longest = Duration::from_secs(seconds + 30);
    phone.call(plan).await
}

fn table(reports: &[PhoneReport], out: &mut dyn Write) -> std::io::Result<()> {
    let between = |from: fn(&PhoneEvent) -> bool, to: fn(&PhoneEvent) -> bool| -> Vec<u128> {
        let mut times: Vec<u128> = reports
            .iter()
            .filter_map(|report| Some(report.when(to)?.since(report.when(from)?).as_millis()))
            .collect();
        times.sort_unstable();
        times
    };
    let asked = |event: &PhoneEvent| matches!(event, PhoneEvent::Asked { .. });
    let answered = |event: &PhoneEvent| matches!(event, PhoneEvent::Answered { .. });
    let opened = |event: &PhoneEvent| matches!(event, PhoneEvent::StreamAsked { .. });
    let upgraded = |event: &PhoneEvent| *event == PhoneEvent::Upgraded;
    let started = |event: &PhoneEvent| *event == PhoneEvent::Started;
    let audio = |event: &PhoneEvent| *event == PhoneEvent::FirstAudio;
    writeln!(out, "{:<28} {:>7} {:>8} {:>8} {:>8}", "", "calls", "p50 ms", "p99 ms", "max ms")?;
    for (what, times) in [
        ("webhook answered", between(asked, answered)),
        ("upgrade answered", between(opened, upgraded)),
        ("first audio after start", between(started, audio)),
    ] {
        let at = |percent: usize| {
            times.get((times.len().saturating_sub(1)) * percent / 100).copied().unwrap_or_default()
        };
        writeln!(out, "{what:<28} {:>7} {:>8} {:>8} {:>8}", times.len(), at(50), at(99), at(100))?;
    }
    Ok(())
}
