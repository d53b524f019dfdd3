//! What we say to a caller ourselves, in the language of the business they called.

/// A sentence of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sentence {
    /// While the model is away.
    OneMoment,
    /// We cannot find out who should answer, or nobody can.
    CannotAnswer,
    /// Before the business's own number rings instead.
    Connecting,
    /// Whom the caller was to be connected with does not answer, and there is nobody else.
    NobodyThere,
    /// Before the tone, when nobody can serve the caller.
    LeaveMessage,
    /// Before the tone, when a telephone rang and nobody answered it.
    NobodyThereLeaveMessage,
    /// The caller has left a message.
    Thanks,
    /// The caller was silent after the tone.
    NothingHeard,
    /// The caller is kept on the line: the second sentence, after [`Sentence::OneMoment`].
    StayOnTheLine,
    /// The third.
    InAMoment,
    /// The fourth.
    ThanksForWaiting,
    /// Before the greeting of a call that is recorded.
    Recorded,
}

/// Words for Twilio's own voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    /// The words.
    pub text: &'a str,
    /// Their language, as `<Say>` calls it; none for the account's own default.
    pub say_language: Option<&'static str>,
}

/// A language we have sentences in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    English,
    German,
    French,
    Spanish,
    Italian,
    Portuguese,
    Dutch,
    Polish,
    Swedish,
    Danish,
}

impl Sentence {
    /// The sentence in a language, given as ISO 639-1 (`de`); in English, where we have it in no other.
    pub fn in_language(self, language: &str) -> Said<'static> {
        let spoken = Language::of(language);
        let text = match spoken {
            Language::English => self.in_english(),
            Language::German => self.in_german(),
            Language::French => self.in_french(),
            Language::Spanish => self.in_spanish(),
            Language::Italian => self.in_italian(),
            Language::Portuguese => self.in_portuguese(),
            Language::Dutch => self.in_dutch(),
            Language::Polish => self.in_polish(),
            Language::Swedish => self.in_swedish(),
            Language::Danish => self.in_danish(),
        };
        let say_language = if spoken == Language::English { None } else { say_language(language) };
        Said { text, say_language }
    }

    /// The sentence in English.
    pub const fn in_english(self) -> &'static str {
        match self {
            Self::OneMoment => "One moment, please.",
            Self::CannotAnswer => {
                "Sorry, we cannot take your call right now. Please try again later. Goodbye."
            }
            Self::Connecting => "One moment, please. I am connecting you.",
            Self::NobodyThere => "Sorry, nobody is available right now. Please try again later. Goodbye.",
            Self::LeaveMessage => {
                "Sorry, we cannot take your call right now. Please leave a message after the tone, with your name and \
                 your number."
            }
            Self::NobodyThereLeaveMessage => {
                "Sorry, nobody is available right now. Please leave a message after the tone, with your name and your \
                 number."
            }
            Self::Thanks => "Thank you for your message. Goodbye.",
            Self::NothingHeard => "We did not hear a message. Goodbye.",
            Self::StayOnTheLine => "Please stay on the line.",
            Self::InAMoment => "We will be with you in a moment.",
            Self::ThanksForWaiting => "Thank you for waiting.",
            Self::Recorded => "This call is recorded.",
        }
    }

    const fn in_german(self) -> &'static str {
        match self {
            Self::OneMoment => "Einen Moment, bitte.",
            Self::CannotAnswer => {
                "Leider können wir Ihren Anruf gerade nicht annehmen. Bitte versuchen Sie es später noch einmal. Auf \
                 Wiederhören."
            }
            Self::Connecting => "Einen Moment, bitte. Ich verbinde Sie.",
            Self::NobodyThere => {
                "Leider ist gerade niemand erreichbar. Bitte versuchen Sie es später noch einmal. Auf Wiederhören."
            }
            Self::LeaveMessage => {
                "Leider können wir Ihren Anruf gerade nicht annehmen. Bitte hinterlassen Sie nach dem Ton eine Nachricht \
                 mit Ihrem Namen und Ihrer Nummer."
            }
            Self::NobodyThereLeaveMessage => {
                "Leider ist gerade niemand erreichbar. Bitte hinterlassen Sie nach dem Ton eine Nachricht mit Ihrem Namen \
                 und Ihrer Nummer."
            }
            Self::Thanks => "Vielen Dank für Ihre Nachricht. Auf Wiederhören.",
            Self::NothingHeard => "Wir haben keine Nachricht gehört. Auf Wiederhören.",
            Self::StayOnTheLine => "Bitte bleiben Sie in der Leitung.",
            Self::InAMoment => "Wir sind gleich für Sie da.",
            Self::ThanksForWaiting => "Danke für Ihre Geduld.",
            Self::Recorded => "Dieses Gespräch wird aufgezeichnet.",
        }
    }

    const fn in_french(self) -> &'static str {
        match self {
            Self::OneMoment => "Un instant, s'il vous plaît.",
            Self::CannotAnswer => {
                "Désolés, nous ne pouvons pas prendre votre appel pour le moment. Merci de rappeler plus tard. Au revoir."
            }
            Self::Connecting => "Un instant, s'il vous plaît. Je vous mets en relation.",
            Self::NobodyThere => {
                "Désolés, personne n'est disponible pour le moment. Merci de rappeler plus tard. Au revoir."
            }
            Self::LeaveMessage => {
                "Désolés, nous ne pouvons pas prendre votre appel pour le moment. Laissez un message après le signal \
                 sonore, avec votre nom et votre numéro."
            }
            Self::NobodyThereLeaveMessage => {
                "Désolés, personne n'est disponible pour le moment. Laissez un message après le signal sonore, avec votre \
                 nom et votre numéro."
            }
            Self::Thanks => "Merci pour votre message. Au revoir.",
            Self::NothingHeard => "Nous n'avons pas entendu de message. Au revoir.",
            Self::StayOnTheLine => "Merci de rester en ligne.",
            Self::InAMoment => "Nous sommes à vous dans un instant.",
            Self::ThanksForWaiting => "Merci de votre patience.",
            Self::Recorded => "Cet appel est enregistré.",
        }
    }

    const fn in_spanish(self) -> &'static str {
        match self {
            Self::OneMoment => "Un momento, por favor.",
            Self::CannotAnswer => {
                "Lo sentimos, ahora no podemos atender su llamada. Por favor, inténtelo más tarde. Adiós."
            }
            Self::Connecting => "Un momento, por favor. Le paso la llamada.",
            Self::NobodyThere => {
                "Lo sentimos, no hay nadie disponible en este momento. Por favor, inténtelo más tarde. Adiós."
            }
            Self::LeaveMessage => {
                "Lo sentimos, ahora no podemos atender su llamada. Por favor, deje un mensaje después de la señal, con su \
                 nombre y su número."
            }
            Self::NobodyThereLeaveMessage => {
                "Lo sentimos, no hay nadie disponible en este momento. Por favor, deje un mensaje después de la señal, con \
                 su nombre y su número."
            }
            Self::Thanks => "Gracias por su mensaje. Adiós.",
            Self::NothingHeard => "No hemos oído ningún mensaje. Adiós.",
            Self::StayOnTheLine => "Por favor, no cuelgue.",
            Self::InAMoment => "Le atendemos en un momento.",
            Self::ThanksForWaiting => "Gracias por esperar.",
            Self::Recorded => "Esta llamada se graba.",
        }
    }

    const fn in_italian(self) -> &'static str {
        match self {
            Self::OneMoment => "Un momento, per favore.",
            Self::CannotAnswer => {
                "Ci dispiace, al momento non possiamo rispondere. La preghiamo di richiamare più tardi. Arrivederci."
            }
            Self::Connecting => "Un momento, per favore. La metto in comunicazione.",
            Self::NobodyThere => {
                "Ci dispiace, al momento non c'è nessuno. La preghiamo di richiamare più tardi. Arrivederci."
            }
            Self::LeaveMessage => {
                "Ci dispiace, al momento non possiamo rispondere. Lasci un messaggio dopo il segnale acustico, con il suo \
                 nome e il suo numero."
            }
            Self::NobodyThereLeaveMessage => {
                "Ci dispiace, al momento non c'è nessuno. Lasci un messaggio dopo il segnale acustico, con il suo nome e \
                 il suo numero."
            }
            Self::Thanks => "Grazie per il suo messaggio. Arrivederci.",
            Self::NothingHeard => "Non abbiamo sentito alcun messaggio. Arrivederci.",
            Self::StayOnTheLine => "La preghiamo di restare in linea.",
            Self::InAMoment => "Siamo subito da lei.",
            Self::ThanksForWaiting => "Grazie per l'attesa.",
            Self::Recorded => "Questa chiamata è registrata.",
        }
    }

    const fn in_portuguese(self) -> &'static str {
        match self {
            Self::OneMoment => "Um momento, por favor.",
            Self::CannotAnswer => {
                "Desculpe, não podemos atender sua ligação agora. Por favor, tente mais tarde. Até logo."
            }
            Self::Connecting => "Um momento, por favor. Vou transferir a sua ligação.",
            Self::NobodyThere => {
                "Desculpe, não há ninguém disponível no momento. Por favor, tente mais tarde. Até logo."
            }
            Self::LeaveMessage => {
                "Desculpe, não podemos atender sua ligação agora. Por favor, deixe uma mensagem após o sinal, com seu nome \
                 e seu número."
            }
            Self::NobodyThereLeaveMessage => {
                "Desculpe, não há ninguém disponível no momento. Por favor, deixe uma mensagem após o sinal, com seu nome \
                 e seu número."
            }
            Self::Thanks => "Obrigado pela sua mensagem. Até logo.",
            Self::NothingHeard => "Não ouvimos nenhuma mensagem. Até logo.",
            Self::StayOnTheLine => "Por favor, aguarde na linha.",
            Self::InAMoment => "Já vamos atender.",
            Self::ThanksForWaiting => "Obrigado por aguardar.",
            Self::Recorded => "Esta ligação é gravada.",
        }
    }

    const fn in_dutch(self) -> &'static str {
        match self {
            Self::OneMoment => "Een ogenblik, alstublieft.",
            Self::CannotAnswer => {
                "Sorry, we kunnen uw oproep nu niet beantwoorden. Probeer het later nog eens. Tot ziens."
            }
            Self::Connecting => "Een ogenblik, alstublieft. Ik verbind u door.",
            Self::NobodyThere => "Sorry, er is nu niemand bereikbaar. Probeer het later nog eens. Tot ziens.",
            Self::LeaveMessage => {
                "Sorry, we kunnen uw oproep nu niet beantwoorden. Spreek na de toon een bericht in, met uw naam en uw \
                 nummer."
            }
            Self::NobodyThereLeaveMessage => {
                "Sorry, er is nu niemand bereikbaar. Spreek na de toon een bericht in, met uw naam en uw nummer."
            }
            Self::Thanks => "Bedankt voor uw bericht. Tot ziens.",
            Self::NothingHeard => "We hebben geen bericht gehoord. Tot ziens.",
            Self::StayOnTheLine => "Blijft u alstublieft aan de lijn.",
            Self::InAMoment => "We zijn zo bij u.",
            Self::ThanksForWaiting => "Bedankt voor het wachten.",
            Self::Recorded => "Dit gesprek wordt opgenomen.",
        }
    }

    const fn in_polish(self) -> &'static str {
        match self {
            Self::OneMoment => "Chwileczkę, proszę.",
            Self::CannotAnswer => {
                "Przepraszamy, nie możemy teraz odebrać. Prosimy spróbować później. Do widzenia."
            }
            Self::Connecting => "Chwileczkę, proszę. Już łączę.",
            Self::NobodyThere => {
                "Przepraszamy, w tej chwili nikt nie jest dostępny. Prosimy spróbować później. Do widzenia."
            }
            Self::LeaveMessage => {
                "Przepraszamy, nie możemy teraz odebrać. Po sygnale prosimy zostawić wiadomość z imieniem i numerem \
                 telefonu."
            }
            Self::NobodyThereLeaveMessage => {
                "Przepraszamy, w tej chwili nikt nie jest dostępny. Po sygnale prosimy zostawić wiadomość z imieniem i \
                 numerem telefonu."
            }
            Self::Thanks => "Dziękujemy za wiadomość. Do widzenia.",
            Self::NothingHeard => "Nie usłyszeliśmy wiadomości. Do widzenia.",
            Self::StayOnTheLine => "Prosimy się nie rozłączać.",
            Self::InAMoment => "Za chwilę się Państwem zajmiemy.",
            Self::ThanksForWaiting => "Dziękujemy za cierpliwość.",
            Self::Recorded => "Ta rozmowa jest nagrywana.",
        }
    }

    const fn in_swedish(self) -> &'static str {
        match self {
            Self::OneMoment => "Ett ögonblick, tack.",
            Self::CannotAnswer => {
                "Vi kan tyvärr inte ta emot ditt samtal just nu. Försök igen senare. Hej då."
            }
            Self::Connecting => "Ett ögonblick, tack. Jag kopplar dig vidare.",
            Self::NobodyThere => "Tyvärr är ingen tillgänglig just nu. Försök igen senare. Hej då.",
            Self::LeaveMessage => {
                "Vi kan tyvärr inte ta emot ditt samtal just nu. Lämna ett meddelande efter tonen, med ditt namn och ditt \
                 nummer."
            }
            Self::NobodyThereLeaveMessage => {
                "Tyvärr är ingen tillgänglig just nu. Lämna ett meddelande efter tonen, med ditt namn och ditt nummer."
            }
            Self::Thanks => "Tack för ditt meddelande. Hej då.",
            Self::NothingHeard => "Vi hörde inget meddelande. Hej då.",
            Self::StayOnTheLine => "Var vänlig dröj kvar.",
            Self::InAMoment => "Vi är strax hos dig.",
            Self::ThanksForWaiting => "Tack för att du väntar.",
            Self::Recorded => "Samtalet spelas in.",
        }
    }

    const fn in_danish(self) -> &'static str {
        match self {
            Self::OneMoment => "Et øjeblik, tak.",
            Self::CannotAnswer => "Vi kan desværre ikke tage dit opkald lige nu. Prøv igen senere. Farvel.",
            Self::Connecting => "Et øjeblik, tak. Jeg stiller dig videre.",
            Self::NobodyThere => "Der er desværre ingen til rådighed lige nu. Prøv igen senere. Farvel.",
            Self::LeaveMessage => {
                "Vi kan desværre ikke tage dit opkald lige nu. Læg en besked efter tonen, med dit navn og dit nummer."
            }
            Self::NobodyThereLeaveMessage => {
                "Der er desværre ingen til rådighed lige nu. Læg en besked efter tonen, med dit navn og dit nummer."
            }
            Self::Thanks => "Tak for din besked. Farvel.",
            Self::NothingHeard => "Vi hørte ingen besked. Farvel.",
            Self::StayOnTheLine => "Bliv venligst i røret.",
            Self::InAMoment => "Vi er hos dig om et øjeblik.",
            Self::ThanksForWaiting => "Tak fordi du venter.",
            Self::Recorded => "Samtalen bliver optaget.",
        }
    }
}

impl<'a> Said<'a> {
    /// A business's own words, in its language.
    pub fn of_business(text: &'a str, language: &str) -> Self {
        Self { text, say_language: say_language(language) }
    }
}

impl Language {
    fn of(code: &str) -> Self {
        match code.get(..2).unwrap_or_default().to_ascii_lowercase().as_str() {
            "de" => Self::German,
            "fr" => Self::French,
            "es" => Self::Spanish,
            "it" => Self::Italian,
            "pt" => Self::Portuguese,
            "nl" => Self::Dutch,
            "pl" => Self::Polish,
            "sv" => Self::Swedish,
            "da" => Self::Danish,
            _ => Self::English,
        }
    }
}

/// What Twilio's `<Say>` calls the language of a business's own words; nothing for English and for what it does not speak,
/// where the account's own default voice speaks. Source: Twilio, "TwiML `<Say>`", languages of the standard voices.
fn say_language(language: &str) -> Option<&'static str> {
    Some(match language.get(..2)? {
        "ca" => "ca-ES",
        "cs" => "cs-CZ",
        "da" => "da-DK",
        "de" => "de-DE",
        "es" => "es-ES",
        "fi" => "fi-FI",
        "fr" => "fr-FR",
        "hi" => "hi-IN",
        "it" => "it-IT",
        "ja" => "ja-JP",
        "ko" => "ko-KR",
        "nb" | "no" => "nb-NO",
        "nl" => "nl-NL",
        "pl" => "pl-PL",
        "pt" => "pt-BR",
        "ro" => "ro-RO",
        "ru" => "ru-RU",
        "sv" => "sv-SE",
        "tr" => "tr-TR",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Sentence; 12] = [
        Sentence::OneMoment,
        Sentence::CannotAnswer,
        Sentence::Connecting,
        Sentence::NobodyThere,
        Sentence::LeaveMessage,
        Sentence::NobodyThereLeaveMessage,
        Sentence::Thanks,
        Sentence::NothingHeard,
        Sentence::StayOnTheLine,
        Sentence::InAMoment,
        Sentence::ThanksForWaiting,
        Sentence::Recorded,
    ];

    #[test]
    fn every_sentence_is_a_sentence_of_its_own_in_every_language() {
        for language in ["en", "de", "fr", "es", "it", "pt", "nl", "pl", "sv", "da"] {
            for (at, sentence) in ALL.iter().enumerate() {
                let text = sentence.in_language(language).text;
                assert!(text.ends_with('.') && text.trim() == text && !text.contains("  "), "{text:?}");
                assert!(
                    ALL[..at].iter().all(|other| other.in_language(language).text != text),
                    "{language}: {text:?}"
                );
                if language != "en" {
                    assert_ne!(text, sentence.in_english());
                    assert!(
                        sentence
                            .in_language(language)
                            .say_language
                            .is_some_and(|say| say.starts_with(language))
                    );
                }
            }
        }
    }

    #[test]
    fn a_language_we_have_no_sentences_in_is_answered_in_english_with_the_voice_of_english() {
        for language in ["en", "ja", ""] {
            let said = Sentence::Thanks.in_language(language);
            assert_eq!((said.text, said.say_language), (Sentence::Thanks.in_english(), None), "{language:?}");
        }
        assert_eq!(Said::of_business("お待ちください。", "ja").say_language, Some("ja-JP"));
        assert_eq!(Said::of_business("One moment.", "en").say_language, None);
    }
}
