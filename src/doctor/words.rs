//! What was observed, in words.

use std::fmt;

use super::facts::{Failure, Line, Then, TlsFault, TwimlFault, Variant};

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("the connection is refused"),
            Self::Silent => f.write_str("nothing came in time"),
            Self::Cut => f.write_str("the connection was cut before an answer"),
            Self::Tls(fault) => write!(f, "TLS fails: {fault}"),
            Self::NotHttp(said) | Self::Other(said) => f.write_str(said),
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTls(said) => write!(f, "no TLS is spoken ({said})"),
            Self::Silent => f.write_str("nothing is answered to the first word of TLS"),
            Self::Expired(when) => write!(f, "the certificate {when}"),
            Self::OtherName(names) if names.is_empty() => f.write_str("the certificate is for another name"),
            Self::OtherName(names) => write!(f, "the certificate is for {}", names.join(", ")),
            Self::UnknownIssuer(issuer) => {
                write!(f, "the certificate is signed by {issuer}, which nobody knows")
            }
            Self::MissingIntermediate(issuer) => {
                write!(f, "the certificate of its issuer is not sent ({issuer})")
            }
            Self::NoHttp11 => f.write_str("HTTP/1.1 is refused"),
            Self::Other(said) => f.write_str(said),
        }
    }
}

impl fmt::Display for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("stays open"),
            Self::Closed(code, reason) if reason.is_empty() => write!(f, "is closed with {code}"),
            Self::Closed(code, reason) => write!(f, "is closed with {code} ({reason})"),
            Self::Cut => f.write_str("is cut without a word"),
        }
    }
}

impl fmt::Display for TwimlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "the TwiML cannot be read: {why}"),
            Self::Query(name) => write!(f, "the Stream URL has a query (“{name}=…”), which Twilio drops"),
            Self::Scheme(scheme) => write!(f, "the Stream URL begins with {scheme}:"),
            Self::Url(why) => write!(f, "the Stream URL is none: {why}"),
            Self::Port(port) => write!(f, "the Stream URL names port {port}"),
            Self::OneWay(what) | Self::NoStream(what) => write!(f, "the TwiML has {what}"),
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherUserAgent => "without Twilio's name",
            Self::WithOrigin => "with an Origin",
            Self::WithSlash => "with a slash at the end",
            Self::WithQuery => "with a query",
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "no line is known",
            Self::Said => "as was said",
            Self::ByUrl => "the webhook names a business itself",
            Self::AtTwilio => "at Twilio it calls this webhook",
            Self::AtServer => "a business of the server owns it",
        })
    }
}
