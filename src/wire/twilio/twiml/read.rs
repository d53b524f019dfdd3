//! Reading TwiML as Twilio reads it: strictly, and naming what it would complain of.

use super::tree::{Node, tree};
use super::{
    ConnectStream, LONGEST_DOCUMENT, MOST_PARAMETERS, PARAMETER_LIMIT, RECORDING_EVENTS, Record, Twiml, Verb,
};
use crate::domain::{PhoneNumber, PhoneNumberError, StreamUrl, UrlError};

/// For how long `<Dial>` rings when it does not say, in seconds.
const DIAL_TIMEOUT_S: u32 = 30;

/// For how long `<Record>` records when it does not say, in seconds.
const RECORD_MAX_LENGTH_S: u32 = 3_600;

/// How much silence ends a recording when `<Record>` does not say, in seconds.
const RECORD_TIMEOUT_S: u32 = 5;

/// The keys that end a recording when `<Record>` does not say.
const RECORD_KEYS: &str = "1234567890*#";

/// A document, and what Twilio passes over in silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadTwiml {
    /// What it says.
    pub twiml: Twiml,
    /// Whether the URL of its stream had a query. It is gone, as Twilio takes it off.
    pub had_query: bool,
}

/// What Twilio would complain of, with the number of its own complaint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TwimlError {
    /// Longer than Twilio reads.
    #[error("the TwiML is {0} bytes long, and Twilio reads 64 kB (11750)")]
    TooLong(usize),
    /// Something before the first element.
    #[error("the TwiML must begin with '<', without a blank or a byte-order mark before it (12100)")]
    Start,
    /// Not XML.
    #[error("the TwiML is not well-formed XML: {0} (12100)")]
    Xml(String),
    /// A root of another name.
    #[error("the root of TwiML is <Response>, not <{0}> (12102)")]
    Root(String),
    /// An element that is not known there. Names are case-sensitive.
    #[error("<{name}> is not known inside <{inside}> (12200)")]
    Element {
        /// Its name.
        name: String,
        /// Where it stands.
        inside: String,
    },
    /// An attribute that is not known there. Names are case-sensitive.
    #[error("<{element}> has no attribute {name:?} (12200)")]
    Attribute {
        /// Its name.
        name: String,
        /// Where it stands.
        element: String,
    },
    /// A value that is not known there.
    #[error("<{element}> cannot have {name}={value:?}")]
    Value {
        /// The attribute.
        name: &'static str,
        /// What it says.
        value: String,
        /// Where it stands.
        element: String,
    },
    /// Something that must be there.
    #[error("<{element}> needs {what}")]
    Missing {
        /// What.
        what: &'static str,
        /// Where.
        element: String,
    },
    /// Text where only elements belong.
    #[error("<{0}> has text between its elements (12200)")]
    Text(String),
    /// A stream that Twilio cannot open.
    #[error(
        "the url of <Stream> must be wss:// (ws:// on this machine only), absolute, without a fragment (31922): {0}"
    )]
    Url(UrlError),
    /// Too many parameters, or one that is too long.
    #[error(
        "<Parameter> {0:?}: name and value must be shorter than 500 characters together, 99 of them at most"
    )]
    Parameter(String),
    /// A number that cannot be rung.
    #[error("<Dial> cannot ring it: {0} (13223)")]
    Number(PhoneNumberError),
}

/// Reads a document as Twilio does.
pub fn read(xml: &str) -> Result<ReadTwiml, TwimlError> {
    if xml.len() > LONGEST_DOCUMENT {
        return Err(TwimlError::TooLong(xml.len()));
    }
    if !xml.starts_with('<') {
        return Err(TwimlError::Start);
    }
    let mut root = tree(xml)?;
    if root.name != "Response" {
        return Err(TwimlError::Root(root.name));
    }
    root.no_text()?;
    let mut had_query = false;
    let children = std::mem::take(&mut root.children);
    root.done()?;
    let verbs = children.into_iter().map(|node| verb(node, &mut had_query)).collect::<Result<_, _>>()?;
    Ok(ReadTwiml { twiml: Twiml(verbs), had_query })
}

fn verb(mut node: Node, had_query: &mut bool) -> Result<Verb, TwimlError> {
    let verb = match node.name.as_str() {
        "Connect" => Verb::Connect(Box::new(connect(&mut node, had_query)?)),
        "Say" => {
            node.pass_over(&["voice", "loop"]);
            Verb::Say { text: std::mem::take(&mut node.text), language: node.take("language") }
        }
        "Pause" => {
            node.no_text()?;
            Verb::Pause { length_s: node.number("length")?.unwrap_or(1) }
        }
        "Dial" => dial(&mut node)?,
        "Record" => Verb::Record(Box::new(record(&mut node)?)),
        "Redirect" => {
            node.only("method", "POST")?;
            Verb::Redirect { url: std::mem::take(&mut node.text).trim().to_owned() }
        }
        "Hangup" => {
            node.no_text()?;
            Verb::Hangup
        }
        _ => return Err(TwimlError::Element { name: node.name, inside: "Response".to_owned() }),
    };
    node.done()?;
    Ok(verb)
}

fn connect(node: &mut Node, had_query: &mut bool) -> Result<ConnectStream, TwimlError> {
    node.only("method", "POST")?;
    let action = node.take("action").unwrap_or_default();
    let mut stream = node.only_child("Stream")?;
    stream.no_text()?;
    stream.pass_over(&["name", "connectorName", "audioFormat", "sampleRate"]);
    // Under <Connect> there is no other track (31941).
    stream.only("track", "inbound_track")?;
    stream.only("statusCallbackMethod", "POST")?;
    let url = stream.need("url")?;
    let bare = url.split_once('?').map_or(url.as_str(), |(bare, _)| bare);
    *had_query |= bare.len() < url.len();
    let url = StreamUrl::parse(bare).map_err(TwimlError::Url)?;
    let status_callback = stream.take("statusCallback").unwrap_or_default();
    let mut parameters = Vec::new();
    for child in std::mem::take(&mut stream.children) {
        parameters.push(parameter(child, parameters.len())?);
    }
    stream.done()?;
    Ok(ConnectStream { action, stream: url, status_callback, parameters })
}

fn parameter(mut node: Node, before: usize) -> Result<(String, String), TwimlError> {
    if node.name != "Parameter" {
        return Err(TwimlError::Element { name: node.name, inside: "Stream".to_owned() });
    }
    node.no_text()?;
    let (name, value) = (node.need("name")?, node.need("value")?);
    node.done()?;
    let long = name.encode_utf16().count() + value.encode_utf16().count();
    if long >= PARAMETER_LIMIT || before >= MOST_PARAMETERS {
        return Err(TwimlError::Parameter(name));
    }
    Ok((name, value))
}

fn dial(node: &mut Node) -> Result<Verb, TwimlError> {
    node.only("method", "POST")?;
    node.pass_over(&["answerOnBridge", "hangupOnStar", "record", "ringTone", "timeLimit", "trim"]);
    let caller_id = node.take("callerId");
    let timeout_s = node.number("timeout")?.unwrap_or(DIAL_TIMEOUT_S);
    let action = node.take("action").unwrap_or_default();
    let number = if node.children.is_empty() {
        std::mem::take(&mut node.text)
    } else {
        let mut number = node.only_child("Number")?;
        let text = std::mem::take(&mut number.text);
        number.done()?;
        text
    };
    let number = PhoneNumber::parse(&number).map_err(TwimlError::Number)?;
    Ok(Verb::Dial { caller_id, number, timeout_s, action })
}

fn record(node: &mut Node) -> Result<Record, TwimlError> {
    node.no_text()?;
    node.only("method", "POST")?;
    node.only("recordingStatusCallbackMethod", "POST")?;
    node.only("recordingStatusCallbackEvent", RECORDING_EVENTS)?;
    node.pass_over(&["trim", "transcribe", "transcribeCallback"]);
    let finish_on_key = node.take("finishOnKey").unwrap_or_else(|| RECORD_KEYS.to_owned());
    if !finish_on_key.chars().all(|key| RECORD_KEYS.contains(key)) {
        return Err(node.bad_value("finishOnKey", finish_on_key));
    }
    let play_beep = match node.take("playBeep").as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(other) => return Err(node.bad_value("playBeep", other.to_owned())),
    };
    let max_length_s = node.number("maxLength")?.unwrap_or(RECORD_MAX_LENGTH_S);
    if max_length_s < 2 {
        return Err(node.bad_value("maxLength", max_length_s.to_string()));
    }
    Ok(Record {
        action: node.take("action").unwrap_or_default(),
        status_callback: node.take("recordingStatusCallback").unwrap_or_default(),
        max_length_s,
        timeout_s: node.number("timeout")?.unwrap_or(RECORD_TIMEOUT_S),
        finish_on_key,
        play_beep,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fitting;
    use super::super::write::legal;
    use super::*;

    fn stream(parameters: Vec<(String, String)>) -> ConnectStream {
        ConnectStream {
            action: "https://HOST/twilio-next".into(),
            stream: StreamUrl::parse("wss://host/twilio-media").unwrap(),
            status_callback: "https://HOST/twilio-stream-status".into(),
            parameters,
        }
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_stream_is_connected_exactly_as_designed() {
        let parameters = pairs(&[
            ("businessId", "business-1"),
            ("plan", "premium"),
            ("to", "+15551234567"),
            ("from", "+14155550123"),
            ("token", "…"),
        ]);
        let designed = r#"<?xml version="1.0" encoding="UTF-8"?>
            <Response>
              <Connect action="https://HOST/twilio-next" method="POST">
                <Stream url="wss://host/twilio-media" statusCallback="https://HOST/twilio-stream-status">
                  <Parameter name="businessId" value="business-1"/>
                  <Parameter name="plan" value="premium"/>
                  <Parameter name="to" value="+15551234567"/>
                  <Parameter name="from" value="+14155550123"/>
                  <Parameter name="token" value="…"/>
                </Stream>
              </Connect>
              <Redirect method="POST">https://HOST/twilio-next</Redirect>
            </Response>"#;
        let twiml = Twiml::connect_stream(stream(parameters), "https://HOST/twilio-next");
        let compact: String = designed.lines().map(str::trim).collect();
        assert_eq!(twiml.to_xml(), compact);
        for written in [&compact, designed] {
            assert_eq!(read(written), Ok(ReadTwiml { twiml: twiml.clone(), had_query: false }));
        }
    }

    #[test]
    fn every_verb_is_written_as_twilio_documents_it() {
        let dial = Verb::Dial {
            caller_id: Some("+15005550006".into()),
            number: PhoneNumber::parse("+14155550199").unwrap(),
            timeout_s: 20,
            action: "https://h/twilio-dial?a=1&b=2".into(),
        };
        let say = Verb::Say { text: "One \"moment\" & <no> more.".into(), language: Some("en-US".into()) };
        let twiml = Twiml(vec![say, Verb::Pause { length_s: 2 }, dial, Verb::Hangup]);
        let written = twiml.to_xml();
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Say language=\"en-US\">One \
            &quot;moment&quot; &amp; &lt;no&gt; more.</Say><Pause length=\"2\"/><Dial callerId=\"+15005550006\" \
            timeout=\"20\" action=\"https://h/twilio-dial?a=1&amp;b=2\" method=\"POST\"><Number>+14155550199</Number>\
            </Dial><Hangup/></Response>";
        assert_eq!(written, expected);
        assert_eq!(read(&written).unwrap().twiml, twiml);
        assert_eq!(Twiml::default().to_xml(), "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>");
        assert_eq!(read("<Response></Response>").unwrap().twiml, Twiml::default());
    }

    #[test]
    fn a_recording_is_written_as_twilio_documents_it() {
        let record = Record {
            action: "https://h/twilio-voicemail".into(),
            status_callback: "https://h/twilio-recording?to=%2B1&from=a".into(),
            max_length_s: 180,
            timeout_s: 10,
            finish_on_key: "#".into(),
            play_beep: true,
        };
        let written = Twiml(vec![Verb::Record(Box::new(record.clone()))]).to_xml();
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Record \
            action=\"https://h/twilio-voicemail\" method=\"POST\" \
            recordingStatusCallback=\"https://h/twilio-recording?to=%2B1&amp;from=a\" \
            recordingStatusCallbackEvent=\"completed absent\" maxLength=\"180\" timeout=\"10\" finishOnKey=\"#\" \
            playBeep=\"true\"/></Response>";
        assert_eq!(written, expected);
        let both = [Record { play_beep: false, finish_on_key: String::new(), ..record.clone() }, record];
        for record in both {
            let twiml = Twiml(vec![Verb::Record(Box::new(record))]);
            assert_eq!(read(&twiml.to_xml()).unwrap().twiml, twiml);
        }
        let Verb::Record(bare) = read("<Response><Record/></Response>").unwrap().twiml.0.remove(0) else {
            panic!()
        };
        assert_eq!((bare.max_length_s, bare.timeout_s, bare.play_beep), (3_600, 5, true));
        assert_eq!((bare.finish_on_key.as_str(), bare.action.as_str()), ("1234567890*#", ""));
        let twiml = Twiml(vec![Verb::Record(bare)]);
        assert_eq!(read(&twiml.to_xml()).unwrap().twiml, twiml);
    }

    #[test]
    fn a_query_on_a_stream_is_taken_off_and_reported() {
        let xml = r#"<Response><Connect><Stream url="wss://host/m?businessId=1&amp;callSid=2"/></Connect></Response>"#;
        let ReadTwiml { twiml, had_query } = read(xml).unwrap();
        let [Verb::Connect(connect)] = twiml.0.as_slice() else { panic!("{twiml:?}") };
        assert_eq!((connect.stream.as_str(), had_query), ("wss://host/m", true));
    }

    #[test]
    fn what_twilio_refuses_is_refused_by_name() {
        let said = |inside: &str| read(&format!("<Response>{inside}</Response>")).unwrap_err().to_string();
        let stream_said = |attributes: &str, inside: &str| {
            said(&format!("<Connect><Stream {attributes}>{inside}</Stream></Connect>"))
        };
        for (said, part) in [
            (said("<say>x</say>"), "<say> is not known inside <Response>"),
            (said("<Fax/>"), "<Fax> is not known"),
            (said("<Say lang=\"en\">x</Say>"), "<Say> has no attribute \"lang\""),
            (said("<Say>x<Hangup/></Say>"), "<Hangup> is not known inside <Say>"),
            (said("hello"), "<Response> has text"),
            (said("<Connect/>"), "<Connect> needs Stream"),
            (said("<Redirect method=\"GET\">x</Redirect>"), "method=\"GET\""),
            (said("<Pause length=\"long\"/>"), "length=\"long\""),
            (said("<Dial>anybody</Dial>"), "13223"),
            (said("<Record>x</Record>"), "<Record> has text"),
            (said("<Record finishOnKey=\"any\"/>"), "finishOnKey=\"any\""),
            (said("<Record maxLength=\"1\"/>"), "maxLength=\"1\""),
            (said("<Record playBeep=\"yes\"/>"), "playBeep=\"yes\""),
            (
                said("<Record recordingStatusCallbackEvent=\"done\"/>"),
                "recordingStatusCallbackEvent=\"done\"",
            ),
            (said("<Say>&nbsp;</Say>"), "12100"),
            (said("<Say>a & b</Say>"), "12100"),
            (said("<Say>&#1;</Say>"), "12100"),
            (said("<Say>x</say>"), "12100"),
            (said("<a><b><c><d><e/></d></c></b></a>"), "12200"),
            (said("<a><b><c><d><e></e></d></c></b></a>"), "nested"),
            (stream_said("", ""), "<Stream> needs url"),
            (stream_said("url=\"https://h/m\"", ""), "31922"),
            (stream_said("url=\"ws://h/m\"", ""), "31922"),
            (stream_said("url=\"/m\"", ""), "31922"),
            (stream_said("url=\"wss://h/m#x\"", ""), "31922"),
            (stream_said("url=\"wss://h/m\" track=\"both_tracks\"", ""), "both_tracks"),
            (stream_said("url=\"wss://h/m\"", "<Param/>"), "<Param> is not known inside <Stream>"),
            (stream_said("url=\"wss://h/m\"", "<Parameter name=\"a\"/>"), "<Parameter> needs value"),
            (stream_said("url=\"wss://h/m\" url=\"wss://h/m\"", ""), "12100"),
        ] {
            assert!(said.contains(part), "{said:?} does not say {part:?}");
        }
        assert_eq!(read(" <Response/>"), Err(TwimlError::Start));
        assert_eq!(read("<html/>"), Err(TwimlError::Root("html".into())));
        assert_eq!(read("<response/>"), Err(TwimlError::Root("response".into())));
        assert_eq!(
            read(&format!("<Response>{}</Response>", " ".repeat(65_536))),
            Err(TwimlError::TooLong(65_557))
        );
        for bad in ["<Response>", "<Response/><Response/>", "<Response/>x", "<!DOCTYPE a><Response/>", "<>"] {
            assert!(matches!(read(bad), Err(TwimlError::Xml(_))), "{bad}");
        }
    }

    #[test]
    fn a_parameter_that_is_too_long_is_cut_and_shows_it() {
        assert_eq!(fitting("from", "+1555"), "+1555");
        assert_eq!(fitting("from", &"x".repeat(495)), "x".repeat(495));
        assert_eq!(fitting("from", &"x".repeat(496)), format!("{}…", "x".repeat(494)));
        assert_eq!(fitting("a", &"😀".repeat(300)), format!("{}…", "😀".repeat(248)));
        let twiml = Twiml::connect_stream(stream(pairs(&[("from", &"é".repeat(600))])), "x");
        let Verb::Connect(connect) = read(&twiml.to_xml()).unwrap().twiml.0.remove(0) else { panic!() };
        assert!(connect.parameters[0].1.ends_with("é…"));
        let long = format!("<Parameter name=\"a\" value=\"{}\"/>", "x".repeat(499));
        let xml =
            format!("<Response><Connect><Stream url=\"wss://h/m\">{long}</Stream></Connect></Response>");
        assert_eq!(read(&xml), Err(TwimlError::Parameter("a".into())));
    }

    #[test]
    fn debug_shows_neither_words_nor_people() {
        let parameters = pairs(&[("from", "+14155550123"), ("token", "secret")]);
        let mut twiml = Twiml::connect_stream(stream(parameters), "x");
        twiml.0.push(Verb::Say { text: "private".into(), language: None });
        let said = format!("{twiml:?}");
        assert!(said.contains("token") && !said.contains("555") && !said.contains("secret"), "{said}");
        assert!(!said.contains("private"), "{said}");
    }

    /// Text full of what XML has trouble with.
    fn text() -> impl Strategy<Value = String> {
        let letters = prop_oneof![
            "[\\x00-\\x20&<>'\";\\]\u{85}\u{fffe}\u{ffff}-]",
            any::<char>().prop_map(String::from)
        ];
        prop::collection::vec(letters, 0..30).prop_map(|letters| letters.concat())
    }

    proptest! {
        #[test]
        fn any_text_written_reads_back(text in text(), name in text(), value in text()) {
            let twiml = Twiml(vec![
                Verb::Connect(Box::new(stream(vec![(name.clone(), value.clone())]))),
                Verb::Say { text: text.clone(), language: Some(value.clone()) },
            ]);
            let back = read(&twiml.to_xml()).unwrap().twiml;
            let expected = Twiml(vec![
                Verb::Connect(Box::new(stream(vec![(legal(&name), legal(&fitting(&name, &value)))]))),
                Verb::Say { text: legal(&text), language: Some(legal(&value)) },
            ]);
            prop_assert_eq!(back, expected);
        }

        #[test]
        fn no_text_makes_the_reader_panic(junk in "[ -~]{0,60}", markup in "(<|/|>|&|;|\"|=|Response|Say|Stream| |\\]|!|\\[|-){0,40}") {
            read(&junk).ok();
            read(&markup).ok();
            read(&format!("<Response>{markup}</Response>")).ok();
        }
    }
}
