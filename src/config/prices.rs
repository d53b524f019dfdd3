//! What speech models cost, where the deployment knows better than the built-in table: one JSON object, as it can be
//! pasted into a form for variables.

use serde_json::{Map, Value};

use super::reader::Reader;
use crate::domain::{ModelPrice, PriceTable, Rate};

const NAME: &str = "REALTIME_PRICES";

/// In dollars for a million tokens, as the price pages have them.
const REMEDY: &str = r#"write dollars per million tokens, like {"my-model":{"text":{"input":4,"cached":0.4,"output":24},"audio":{"input":32,"cached":0.4,"output":64}}}, and dollars per minute like {"transcription":0.003}"#;

/// The key that stands for no model: what a minute of the caller's words costs to write down.
const TRANSCRIPTION: &str = "transcription";

/// Prices are kept in millionths.
const DECIMALS: usize = 6;

/// No price has more digits before its point; one that does is a mistake in the unit.
const MOST_DIGITS: usize = 6;

/// The built-in table with what the setting changes in it.
pub(super) fn prices(reader: &mut Reader<'_>) -> PriceTable {
    let mut table = PriceTable::default();
    let Some(text) = reader.text(NAME) else { return table };
    let models = match serde_json::from_str::<Map<String, Value>>(&text) {
        Ok(models) => models,
        Err(error) => {
            reader.mistake(NAME, format!("is no JSON object: {error}"), REMEDY);
            return table;
        }
    };
    for (model, said) in &models {
        let taken = if model == TRANSCRIPTION {
            millionths(TRANSCRIPTION, said).map(|minute| table.set_transcription(minute))
        } else {
            merged(table.of(model), model, said).map(|price| table.set(model, price))
        };
        if let Err(wrong) = taken {
            reader.mistake(NAME, wrong, REMEDY);
        }
    }
    table
}

/// What is said of one model over what is known of it. A model nobody knows has no price until its text and its audio
/// have: what is forgotten must not be free.
fn merged(known: Option<ModelPrice>, model: &str, said: &Value) -> Result<ModelPrice, String> {
    let kinds = object(model, said)?;
    let mut price = known.unwrap_or_default();
    if known.is_none()
        && let Some(missing) = ["text", "audio"].into_iter().find(|kind| !kinds.contains_key(*kind))
    {
        return Err(format!("says nothing of {model}.{missing}, and {model} is not in the built-in table"));
    }
    for (kind, rates) in kinds {
        let at = format!("{model}.{kind}");
        let rate = match kind.as_str() {
            "text" => &mut price.text,
            "audio" => &mut price.audio,
            "image" => &mut price.image,
            _ => return Err(format!("has {at}; a model has text, audio and image")),
        };
        // No model makes images.
        let whole = known.is_none() && kind != "image";
        merge_rate(rate, &at, object(&at, rates)?, whole)?;
    }
    Ok(price)
}

fn merge_rate(rate: &mut Rate, at: &str, said: &Map<String, Value>, whole: bool) -> Result<(), String> {
    for (key, price) in said {
        let place = match key.as_str() {
            "input" => &mut rate.input,
            "cached" => &mut rate.cached,
            "output" => &mut rate.output,
            _ => return Err(format!("has {at}.{key}; there are input, cached and output")),
        };
        *place = millionths(&format!("{at}.{key}"), price)?;
    }
    match ["input", "cached", "output"].into_iter().find(|key| whole && !said.contains_key(*key)) {
        Some(missing) => Err(format!("lacks {at}.{missing}, which is not in the built-in table")),
        None => Ok(()),
    }
}

fn object<'v>(at: &str, value: &'v Value) -> Result<&'v Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("has {at} that is no object"))
}

/// A price exactly as it is written: multiplied as a fraction in binary it would not be.
fn millionths(at: &str, value: &Value) -> Result<u64, String> {
    let wrong = || format!("has {at} = {value}, which is no price with at most {DECIMALS} decimals");
    // The shortest digits that mean this number are the ones that were written.
    let text = value.as_f64().map(|number| number.to_string()).ok_or_else(wrong)?;
    let (whole, part) = text.split_once('.').unwrap_or((&text, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() > MOST_DIGITS || part.len() > DECIMALS || !digits(whole) || !digits(part) {
        return Err(wrong());
    }
    format!("{whole}{part:0<DECIMALS$}").parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{MicroDollars, ModalityTokens, Usage};

    fn read(text: &str) -> Result<PriceTable, String> {
        let variable = |name: &str| (name == NAME).then(|| text.to_owned());
        let mut reader = Reader::new(&variable);
        let table = prices(&mut reader);
        reader.finish(Some(table)).map(|(table, _)| table).map_err(|errors| errors.to_string())
    }

    #[test]
    fn without_the_setting_the_prices_are_the_published_ones() {
        assert_eq!(read("").unwrap(), PriceTable::default());
        assert_eq!(read("{}").unwrap(), PriceTable::default());
    }

    #[test]
    fn one_price_changes_and_the_others_stay() {
        let table = read(r#"{"gpt-realtime-2.1":{"audio":{"output":60.25}},"transcription":0.006}"#).unwrap();
        let before = PriceTable::default().of("gpt-realtime-2.1").unwrap();
        let after = table.of("gpt-realtime-2.1-2026-05-01").unwrap();
        assert_eq!(after.audio, Rate { output: 60_250_000, ..before.audio });
        assert_eq!((after.text, after.image), (before.text, before.image));
        let minute = Usage { transcribed_ms: 60_000, ..Usage::default() };
        assert_eq!(table.cost(&minute, "gpt-realtime"), Some(MicroDollars::new(6_000)));
        let dated = read(r#"{"gpt-realtime-2.1-2026-05-01":{"text":{"input":1}}}"#).unwrap();
        assert_eq!(
            dated.of("gpt-realtime-2.1-2026-05-01").unwrap().text,
            Rate { input: 1_000_000, ..before.text }
        );
        assert_eq!(dated.of("gpt-realtime-2.1"), Some(before));
    }

    #[test]
    fn a_model_of_ones_own_has_a_price_when_all_of_it_is_said() {
        let own = r#"{"desk-7":{"text":{"input":0.1,"cached":0,"output":3},"audio":{"input":7,"cached":0.000001,"output":9}}}"#;
        let table = read(own).unwrap();
        let audio = ModalityTokens { audio: 1_000_000, ..ModalityTokens::default() };
        let usage = Usage { input: audio, ..Usage::default() };
        assert_eq!(table.cost(&usage, "desk-7"), Some(MicroDollars::new(7_000_000)));
        assert_eq!(table.cost(&Usage { cached: audio, ..usage }, "desk-7"), Some(MicroDollars::new(1)));
    }

    #[test]
    fn mistakes_are_found_with_their_place_and_a_remedy() {
        for (text, wrong) in [
            ("4.00", "is no JSON object"),
            (r#"{"desk-7":{"text":{"input":1}}}"#, "says nothing of desk-7.audio"),
            (r#"{"desk-7":{"text":{"input":1,"cached":1},"audio":{}}}"#, "lacks desk-7"),
            (r#"{"gpt-realtime":{"speech":{}}}"#, "has gpt-realtime.speech;"),
            (r#"{"gpt-realtime":{"audio":{"in":4}}}"#, "has gpt-realtime.audio.in;"),
            (r#"{"gpt-realtime":{"audio":64}}"#, "has gpt-realtime.audio that is no object"),
            (r#"{"gpt-realtime":{"audio":{"input":"4"}}}"#, "has gpt-realtime.audio.input"),
            (r#"{"gpt-realtime":{"audio":{"input":-4}}}"#, "has gpt-realtime.audio.input = -4"),
            (r#"{"gpt-realtime":{"audio":{"input":0.0000001}}}"#, "has gpt-realtime.audio.input"),
            (r#"{"gpt-realtime":{"audio":{"input":32000000}}}"#, "has gpt-realtime.audio.input"),
            (r#"{"transcription":null}"#, "has transcription = null"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(&format!("REALTIME_PRICES {wrong}")), "{text}: {error}");
            assert!(error.contains("→ write dollars per million tokens"), "{error}");
        }
    }
}
