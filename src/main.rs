//! Arguments in, exit code out.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    // Named before anything asks for TLS, so that a dependency with another provider cannot turn that into a panic. It
    // fails only when one is installed already, which is as good.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    frontdesk::cli::run().await
}
