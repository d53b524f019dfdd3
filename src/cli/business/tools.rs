//! `frontdesk business try-tool`: asks a tool of a business's own as a call would.

use std::io::Write;

use anyhow::anyhow;
use url::{Host, Url};

use super::{Books, directory};
use crate::clients::{HttpToolClient, HttpToolSettings, Reach, ToolTrial, tls_with_public_roots};
use crate::domain::{BusinessId, HttpTool};

pub(super) async fn try_one(
    id: &str,
    name: &str,
    arguments: &str,
    books: &Books,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let business = BusinessId::parse(id)?;
    let Some(found) = books.directory.business(&business).await? else {
        return Err(directory::no_such_business(id, &*books.directory).await?);
    };
    let Some(tool) = found.http_tool(name) else {
        let names: Vec<&str> = found.http_tools.iter().map(|tool| tool.name.as_str()).collect();
        let there = if names.is_empty() { "it has none".to_owned() } else { names.join(", ") };
        return Err(anyhow!("{id} has no tool {name} of its own: {there}"));
    };
    let settings = HttpToolSettings::new(reach(tool), tls_with_public_roots()?);
    let trial = HttpToolClient::new(settings)?.trial(&business, tool, arguments, books.clock).await;
    let ToolTrial { status, took_ms, answer, problem } = trial;
    if let Some(status) = status {
        writeln!(out, "HTTP {status} after {took_ms} ms")?;
    }
    writeln!(out, "the model would be told: {}", answer.told.reveal())?;
    problem.map_or(Ok(()), |problem| Err(anyhow!(problem)))
}

/// What is on this machine is tried here; a server that others reach would refuse it, and the import has said so.
fn reach(tool: &HttpTool) -> Reach {
    let here = Url::parse(&tool.url).is_ok_and(|url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    });
    if here { Reach::Loopback } else { Reach::PublicOnly }
}
