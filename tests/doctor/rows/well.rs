//! Deployments with which nothing is wrong.

use crate::certificates::Authority;
use crate::deployment::{
    address, behind, behind_for, behind_tls, built, examination, examined, server_with, stranger,
};
use crate::fixture::{Fixture, healthy, unclear};
use crate::front::{Gate, pass};

pub(super) fn all() -> Vec<Fixture> {
    vec![
        healthy("the server itself", || async {
            let house = built(&[]).await;
            examined(examination(&house.base)).await
        }),
        healthy("a front that leads everything on", || behind(|_, server| pass(server))),
        unclear("the same, to a doctor who has no tokens", || behind_for(stranger, |_, server| pass(server))),
        healthy("TLS by an authority of one's own, with an intermediate", || async {
            let root = Authority::root("a root");
            let between = root.intermediate("an intermediate");
            let chain = between.issue(&["127.0.0.1"]).and(&between);
            behind_tls(Gate::secure(chain.server(&["http/1.1"])).await, vec![root.der()]).await
        }),
        healthy("TLS that takes h2 next to http/1.1", || async {
            let root = Authority::root("a root");
            let chain = root.issue(&["127.0.0.1"]);
            behind_tls(Gate::secure(chain.server(&["h2", "http/1.1"])).await, vec![root.der()]).await
        }),
        healthy("a prefix that the proxy takes off", || async {
            let gate = Gate::plain().await;
            let url = format!("{}/voice", gate.url());
            let house = server_with(&url, &[]).await;
            let server = address(&house);
            let _front = gate.open(move |request| {
                request.target = request.target.trim_start_matches("/voice").to_owned();
                pass(server)
            });
            examined(examination(&url)).await
        }),
        healthy("webhook and media socket on hosts of their own", || async {
            let (gate, media) = (Gate::plain().await, Gate::plain().await);
            let house = server_with(&gate.url(), &[("STREAM_PUBLIC_URL", &media.url())]).await;
            let server = address(&house);
            let url = gate.url();
            let _fronts = (gate.open(move |_| pass(server)), media.open(move |_| pass(server)));
            examined(examination(&url)).await
        }),
    ]
}
