//! Writing TwiML.

use std::borrow::Cow;
use std::io;

use quick_xml::Writer;
use quick_xml::escape::escape;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesText, Event};
use quick_xml::name::QName;

use super::{ConnectStream, RECORDING_EVENTS, Record, Twiml, Verb, fitting};

type Out = Writer<Vec<u8>>;

impl Twiml {
    /// The document, without a blank between its elements. Characters that XML cannot hold are left out.
    pub fn to_xml(&self) -> String {
        let mut out = Writer::new(Vec::new());
        let written = document(&mut out, &self.0);
        debug_assert!(written.is_ok(), "writing into memory does not fail");
        String::from_utf8(out.into_inner()).unwrap_or_default()
    }
}

fn document(out: &mut Out, verbs: &[Verb]) -> io::Result<()> {
    out.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    if verbs.is_empty() {
        out.create_element("Response").write_empty()?;
        return Ok(());
    }
    let all = |out: &mut Out| verbs.iter().try_for_each(|it| verb(out, it));
    out.create_element("Response").write_inner_content(all)?;
    Ok(())
}

fn verb(out: &mut Out, verb: &Verb) -> io::Result<()> {
    match verb {
        Verb::Connect(it) => connect(out, it),
        Verb::Say { text, language } => {
            element(out, "Say", &[("language", language.as_deref())], |out| content(out, text))
        }
        Verb::Pause { length_s } => empty(out, "Pause", &[("length", Some(&length_s.to_string()))]),
        Verb::Dial { caller_id, number, timeout_s, action } => {
            let timeout = timeout_s.to_string();
            let attributes = [
                ("callerId", caller_id.as_deref()),
                ("timeout", Some(timeout.as_str())),
                ("action", Some(action)),
                ("method", Some("POST")),
            ];
            element(out, "Dial", &attributes, |out| {
                element(out, "Number", &[], |out| content(out, number.as_str()))
            })
        }
        Verb::Record(it) => record(out, it),
        Verb::Redirect { url } => {
            element(out, "Redirect", &[("method", Some("POST"))], |out| content(out, url))
        }
        Verb::Hangup => empty(out, "Hangup", &[]),
    }
}

fn connect(out: &mut Out, connect: &ConnectStream) -> io::Result<()> {
    let parameters = |out: &mut Out| {
        connect.parameters.iter().try_for_each(|(name, value)| {
            let value = fitting(name, value);
            empty(out, "Parameter", &[("name", Some(name)), ("value", Some(&value))])
        })
    };
    let attributes =
        [("url", Some(connect.stream.as_str())), ("statusCallback", Some(connect.status_callback.as_str()))];
    let stream = |out: &mut Out| element(out, "Stream", &attributes, parameters);
    element(out, "Connect", &[("action", Some(&connect.action)), ("method", Some("POST"))], stream)
}

fn record(out: &mut Out, record: &Record) -> io::Result<()> {
    let (longest, timeout) = (record.max_length_s.to_string(), record.timeout_s.to_string());
    let said = |url: &str| !url.is_empty();
    let (action, callback) = (record.action.as_str(), record.status_callback.as_str());
    let attributes = [
        ("action", Some(action).filter(|url| said(url))),
        ("method", said(action).then_some("POST")),
        ("recordingStatusCallback", Some(callback).filter(|url| said(url))),
        // That there is no recording is not told unless it is asked for.
        ("recordingStatusCallbackEvent", said(callback).then_some(RECORDING_EVENTS)),
        ("maxLength", Some(longest.as_str())),
        ("timeout", Some(timeout.as_str())),
        ("finishOnKey", Some(record.finish_on_key.as_str())),
        ("playBeep", Some(if record.play_beep { "true" } else { "false" })),
    ];
    empty(out, "Record", &attributes)
}

fn element(
    out: &mut Out,
    name: &str,
    attributes: &[(&str, Option<&str>)],
    inside: impl FnOnce(&mut Out) -> io::Result<()>,
) -> io::Result<()> {
    out.create_element(name).with_attributes(present(attributes)).write_inner_content(inside)?;
    Ok(())
}

fn empty(out: &mut Out, name: &str, attributes: &[(&str, Option<&str>)]) -> io::Result<()> {
    out.create_element(name).with_attributes(present(attributes)).write_empty()?;
    Ok(())
}

fn present<'a>(attributes: &'a [(&'a str, Option<&'a str>)]) -> impl Iterator<Item = Attribute<'a>> {
    attributes.iter().filter_map(|(name, value)| Some(attribute(name, (*value)?)))
}

/// A reader turns blanks of every kind in an attribute into spaces, unless they are written by number.
fn attribute<'a>(name: &'a str, value: &str) -> Attribute<'a> {
    let value = escape(legal(value)).replace('\n', "&#10;").replace('\t', "&#9;");
    Attribute { key: QName(name), value: Cow::Owned(value) }
}

fn content(out: &mut Out, text: &str) -> io::Result<()> {
    out.write_event(Event::Text(BytesText::new(&legal(text))))
}

/// The text without the characters XML 1.0 has no way to hold.
pub(super) fn legal(text: &str) -> String {
    text.chars().filter(|letter| is_legal(*letter)).collect()
}

pub(super) fn is_legal(letter: char) -> bool {
    match letter {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => letter >= ' ',
    }
}
