//! `flowhost fingerprint`.

use super::{Wrong, output};
use clap::ValueEnum;
use flowhost::contract::tls::Certificate;
use flowhost::tls::fingerprint::{self, Place, Seen};
use flowhost::tls::{date, fingerprint_text};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Columns before the value of a line.
const LABEL: usize = 13;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The FTP server, HOST:PORT; an IPv6 address in brackets. Port 21 when left out.
    server: String,
    /// When TLS begins: after AUTH TLS, or with the connection [default: implicit for port 990, else explicit].
    #[arg(long, value_name = "WHEN")]
    tls: Option<Mode>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    Explicit,
    Implicit,
}

pub(super) async fn fingerprint(args: Args) -> anyhow::Result<ExitCode> {
    let mode = args.tls.map(|mode| match mode {
        Mode::Explicit => fingerprint::Mode::Explicit,
        Mode::Implicit => fingerprint::Mode::Implicit,
    });
    let place = Place::parse(&args.server, mode).map_err(|error| Wrong(error.to_string()))?;
    let seen = fingerprint::look(&place).await?;
    let Some(certificate) = &seen.info.certificate else {
        anyhow::bail!("{place} showed no certificate");
    };
    let text = if args.json {
        as_json(&place, &seen, certificate).to_string()
    } else {
        as_text(&place, &seen, certificate)
    };
    output::line(text.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn as_json(place: &Place, seen: &Seen, certificate: &Certificate) -> Value {
    let time = |milliseconds| {
        Timestamp::from_millisecond(milliseconds)
            .ok()
            .map(|time| time.to_string())
    };
    let refusal = seen.refusal.as_ref();
    let pin = fingerprint_text(&certificate.sha256);
    json!({
        "host": place.host, "port": place.port, "tls": place.mode.to_string(),
        "subject": certificate.subject, "issuer": certificate.issuer, "names": certificate.names,
        "not_before": time(certificate.not_before_ms), "not_after": time(certificate.not_after_ms),
        "sha256": pin, "public_key_sha256": fingerprint_text(&certificate.public_key_sha256),
        "version": seen.info.version, "cipher": seen.info.cipher,
        "trusted": refusal.is_none(), "reason": refusal.map(|error| error.reason.name()),
        "message": refusal.map(|error| &error.message),
        "settings": {"tls": place.mode.to_string(), "tls_trust": {"pinned": pin}},
    })
}

fn as_text(place: &Place, seen: &Seen, certificate: &Certificate) -> String {
    let (mode, host) = (place.mode, &place.host);
    let pin = fingerprint_text(&certificate.sha256);
    let (from, to) = (date(certificate.not_before_ms), date(certificate.not_after_ms));
    let trusted = match &seen.refusal {
        None => format!("yes, for {host}; `tls: {mode}` alone is enough on this host"),
        Some(error) => format!("no. {}", error.message),
    };
    let lines = [
        ("Server", format!("{place}, {mode} TLS")),
        ("Subject", certificate.subject.clone()),
        ("Issuer", certificate.issuer.clone()),
        ("Valid", format!("{from} to {to}")),
        ("Names", certificate.names.join(", ")),
        ("Certificate", pin.clone()),
        ("Public key", fingerprint_text(&certificate.public_key_sha256)),
        ("Session", format!("{}, {}", seen.info.version, seen.info.cipher)),
        ("Trusted", trusted),
    ];
    let facts: Vec<String> = lines
        .iter()
        .map(|(label, value)| format!("{label:LABEL$}{value}").trim_end().to_owned())
        .collect();
    format!(
        "{}

To trust this certificate and no other, write in the instance's settings:

  tls: {mode}
  tls_trust: {{ pinned: \"{pin}\" }}

First compare the fingerprint with what the server's operator tells you through another channel, such as the
telephone: whoever is between you and the server can show a certificate of their own.",
        facts.join("\n")
    )
}
