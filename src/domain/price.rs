//! What speech models cost: the prices OpenAI publishes, as whole numbers, and the sum for what a call used. An
//! estimate: what is billed is between the account and OpenAI.

use std::collections::BTreeMap;

use super::{MicroDollars, Usage};

/// What one kind of token costs, in millionths of a dollar for a million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rate {
    /// What the model reads.
    pub input: u64,
    /// What it reads again.
    pub cached: u64,
    /// What it makes.
    pub output: u64,
}

/// What one model costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModelPrice {
    /// Text.
    pub text: Rate,
    /// Audio.
    pub audio: Rate,
    /// Images; no model makes any.
    pub image: Rate,
}

/// What models cost, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceTable {
    models: BTreeMap<String, ModelPrice>,
    /// A minute of transcription, in millionths of a dollar.
    transcription: u64,
}

/// Prices are written in thousandths of a dollar here: the finest that is published is six cents for a million.
const fn rate(input: u64, cached: u64, output: u64) -> Rate {
    Rate { input: input * 1_000, cached: cached * 1_000, output: output * 1_000 }
}

const REALTIME_2: ModelPrice = ModelPrice {
    text: rate(4_000, 400, 24_000),
    audio: rate(32_000, 400, 64_000),
    image: rate(5_000, 500, 0),
};

const REALTIME_1: ModelPrice = ModelPrice { text: rate(4_000, 400, 16_000), ..REALTIME_2 };

const REALTIME_MINI: ModelPrice =
    ModelPrice { text: rate(600, 60, 2_400), audio: rate(10_000, 300, 20_000), image: rate(800, 80, 0) };

/// The price pages of OpenAI's Realtime models, as of 2026.
const PUBLISHED: [(&str, ModelPrice); 6] = [
    ("gpt-realtime-2.1", REALTIME_2),
    ("gpt-realtime-2", REALTIME_2),
    ("gpt-realtime-1.5", REALTIME_1),
    ("gpt-realtime", REALTIME_1),
    ("gpt-realtime-2.1-mini", REALTIME_MINI),
    ("gpt-realtime-mini", REALTIME_MINI),
];

/// `gpt-4o-mini-transcribe`, the one that is asked for: three tenths of a cent.
const TRANSCRIPTION_MINUTE: u64 = 3_000;

impl PriceTable {
    /// The price of a model; one with a date at the end of its name costs what its family does.
    pub fn of(&self, model: &str) -> Option<ModelPrice> {
        let family = || {
            let of_it = |name: &&String| model.strip_prefix(name.as_str()).is_some_and(is_date);
            self.models.keys().filter(of_it).max_by_key(|name| name.len())
        };
        self.models.get(model).or_else(|| self.models.get(family()?)).copied()
    }

    /// Puts a price in the place of the one that stands there, if any.
    pub fn set(&mut self, model: &str, price: ModelPrice) {
        self.models.insert(model.to_owned(), price);
    }

    /// Puts a price for a minute of transcription, in millionths of a dollar, in the place of the one that stands there.
    pub fn set_transcription(&mut self, minute: u64) {
        self.transcription = minute;
    }

    /// What it costs to have used a model so; none when its prices are not known. Rounded once, to the nearest
    /// millionth of a dollar.
    pub fn cost(&self, usage: &Usage, model: &str) -> Option<MicroDollars> {
        let price = self.of(model)?;
        let Usage { input, cached, output, transcribed_ms } = usage;
        let kinds = [
            (price.text, input.text, cached.text, output.text),
            (price.audio, input.audio, cached.audio, output.audio),
            (price.image, input.image, cached.image, output.image),
        ];
        let tokens = kinds.into_iter().map(|(rate, input, cached, output)| {
            // Cached tokens are part of the input. What is said to be more than that was not read at all.
            let again = cached.min(input);
            product(input - again, rate.input) + product(again, rate.cached) + product(output, rate.output)
        });
        let tokens: u128 = tokens.sum();
        // A token's price is a millionth of what stands in the table, and a millisecond's a sixty-thousandth: in units of
        // a three-millionth of a millionth of a dollar both are whole.
        let whole =
            tokens.saturating_mul(3).saturating_add(product(*transcribed_ms, self.transcription) * 50);
        let micros = whole.saturating_add(1_500_000) / 3_000_000;
        Some(MicroDollars::new(i64::try_from(micros).unwrap_or(i64::MAX)))
    }
}

impl Default for PriceTable {
    /// The published prices.
    fn default() -> Self {
        let models = PUBLISHED.into_iter().map(|(name, price)| (name.to_owned(), price)).collect();
        Self { models, transcription: TRANSCRIPTION_MINUTE }
    }
}

/// Kept so small that a few of them can be added and multiplied. Nobody uses more.
fn product(count: u64, price: u64) -> u128 {
    u128::from(count.min(u64::MAX >> 8)) * u128::from(price.min(u64::MAX >> 8))
}

/// Whether this is what stands behind a family's name: `-2026-05-01`, or less of it.
fn is_date(rest: &str) -> bool {
    let Some((year, day)) = rest.strip_prefix('-').and_then(|rest| rest.split_at_checked(4)) else {
        return false;
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    digits(year) && (day.is_empty() || day.starts_with('-')) && digits(&day.replace('-', ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ModalityTokens;

    fn tokens(text: u64, audio: u64) -> ModalityTokens {
        ModalityTokens { text, audio, image: 0 }
    }

    /// What OpenAI's reference shows as the usage of one answer.
    fn published() -> Usage {
        Usage { input: tokens(119, 13), cached: tokens(64, 0), output: tokens(30, 91), transcribed_ms: 0 }
    }

    fn micros(usage: Usage, model: &str) -> Option<i64> {
        PriceTable::default().cost(&usage, model).map(MicroDollars::micros)
    }

    #[test]
    fn the_published_usage_costs_what_was_worked_out_by_hand() {
        // 55 × 4.00 + 64 × 0.40 + 13 × 32.00 + 30 × 24.00 + 91 × 64.00 = 7,205.6 millionths of a dollar.
        assert_eq!(micros(published(), "gpt-realtime-2.1"), Some(7_206));
        // 30 × 16.00 in the place of 30 × 24.00.
        assert_eq!(micros(published(), "gpt-realtime"), Some(6_966));
        // 55 × 0.60 + 64 × 0.06 + 13 × 10.00 + 30 × 2.40 + 91 × 20.00 = 2,058.84.
        assert_eq!(micros(published(), "gpt-realtime-2.1-mini"), Some(2_059));
    }

    #[test]
    fn a_minute_of_voice_costs_at_least_its_audio() {
        let caller = Usage { input: tokens(0, 600), ..Usage::default() };
        let model = Usage { output: tokens(0, 1_200), ..Usage::default() };
        let text = Usage { transcribed_ms: 60_000, ..Usage::default() };
        for (usage, full, mini) in [(caller, 19_200, 6_000), (model, 76_800, 24_000), (text, 3_000, 3_000)] {
            assert_eq!(micros(usage, "gpt-realtime-2.1"), Some(full));
            assert_eq!(micros(usage, "gpt-realtime-mini"), Some(mini));
        }
    }

    #[test]
    fn ten_minutes_of_conversation_are_right_to_the_cent() {
        // Sixty answers: 4,000 tokens of text read of which 3,900 again, 12,000 of audio of which 11,800 again,
        // 50 of text and 200 of audio made; six minutes of the caller transcribed.
        let usage = Usage {
            input: tokens(60 * 4_000, 60 * 12_000),
            cached: tokens(60 * 3_900, 60 * 11_800),
            output: tokens(60 * 50, 60 * 200),
            transcribed_ms: 6 * 60_000,
        };
        // 0.024 + 0.0936 + 0.384 + 0.2832 + 0.072 + 0.768 + 0.018 dollars.
        assert_eq!(micros(usage, "gpt-realtime-2.1"), Some(1_642_800));
        let image = ModalityTokens { image: 1_000_000, ..ModalityTokens::default() };
        let seen = Usage { input: image, ..Usage::default() };
        assert_eq!(micros(seen, "gpt-realtime-2"), Some(5_000_000));
    }

    #[test]
    fn it_is_rounded_once_and_at_the_end() {
        // Each is 0.06 of a millionth, all are 0.6.
        let again = |count| Usage { input: tokens(count, 0), cached: tokens(count, 0), ..Usage::default() };
        assert_eq!(micros(again(1), "gpt-realtime-mini"), Some(0));
        assert_eq!(micros(again(10), "gpt-realtime-mini"), Some(1));
        assert_eq!(micros(Usage { transcribed_ms: 10, ..again(0) }, "gpt-realtime-mini"), Some(1));
        let wrong = Usage { input: tokens(1_000_000, 0), cached: tokens(9_000_000, 0), ..Usage::default() };
        assert_eq!(micros(wrong, "gpt-realtime-2.1"), Some(400_000), "no more is cached than was read");
        let endless = ModalityTokens { text: u64::MAX, audio: u64::MAX, image: u64::MAX };
        let endless =
            Usage { input: endless, cached: tokens(0, 0), output: endless, transcribed_ms: u64::MAX };
        assert_eq!(micros(endless, "gpt-realtime-2.1"), Some(i64::MAX));
    }

    #[test]
    fn a_dated_name_costs_what_its_family_does_and_a_strange_one_has_no_price() {
        let table = PriceTable::default();
        for (name, family) in [
            ("gpt-realtime-2.1-2026-05", REALTIME_2),
            ("gpt-realtime-2.1-2026-05-01", REALTIME_2),
            ("gpt-realtime-2025-08-28", REALTIME_1),
            ("gpt-realtime-mini-2025-12-15", REALTIME_MINI),
        ] {
            assert_eq!(table.of(name), Some(family), "{name}");
        }
        let strange = [
            "",
            "gpt-realtime-3",
            "gpt-realtime-2.1-pro",
            "gpt-realtime-2.1-mini-pro",
            "gpt-realtime-20250828",
            "gpt-realtime-2026-preview",
            "my-deployment",
        ];
        for name in strange {
            assert_eq!(table.of(name), None, "{name}");
        }
        let mut table = table;
        let own = ModelPrice { audio: rate(1, 1, 1), ..REALTIME_2 };
        table.set("gpt-realtime-2.1-2026-05-01", own);
        assert_eq!(table.of("gpt-realtime-2.1-2026-05-01"), Some(own));
    }
}
