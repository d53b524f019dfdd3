//! The addresses of a host, every one of them judged before any is connected to. They are looked up once, and the
//! connection goes to what was judged: a name that changes its mind in between gains nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

use super::Reach;

/// Why a name leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NameError {
    /// It has no address.
    #[error("the name has no address")]
    Unresolved,
    /// One of its addresses is none of the public internet. The others are not tried: whoever names a private address
    /// beside a public one is mistaken, or means no good.
    #[error("the name leads to an address that is not public")]
    NotPublic,
}

/// Names as the system knows them.
#[derive(Debug)]
pub(super) struct SystemNames;

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is the URL's.
            let addresses: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Names that lead only where we may go.
pub(super) struct JudgedNames {
    pub(super) names: Arc<dyn Resolve>,
    pub(super) reach: Reach,
}

impl Resolve for JudgedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolving, reach) = (self.names.resolve(name), self.reach);
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = resolving.await.map_err(|_| NameError::Unresolved)?.collect();
            if addresses.is_empty() {
                return Err(NameError::Unresolved.into());
            }
            if !addresses.iter().all(|address| reach.admits(address.ip())) {
                return Err(NameError::NotPublic.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
