//! The fixtures, in the order of the decision table.

mod application;
mod edge;
mod network;
mod proxies;
mod stream;
mod twiml;
mod well;

use crate::fixture::Fixture;

/// All of them: first what is well, then each row.
pub(crate) fn all() -> Vec<Fixture> {
    [
        well::all(),
        twiml::all(),
        network::all(),
        edge::all(),
        application::all(),
        stream::all(),
        proxies::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
