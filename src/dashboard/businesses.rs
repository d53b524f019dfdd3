//! *Businesses*: whose phones are answered, and how.

mod advanced;
mod fields;

use maud::{Markup, html};

use self::fields::{field, invalid_at, place, text, word, wrong_at};
use super::phone::phone;
use super::{Frame, Here};
use crate::domain::{Business, Fallback, Plan, Tool, TurnDetection, Voice, WebhookSecret};

/// Something to be said of a field.
#[derive(Debug, Clone)]
pub struct Remark {
    /// Where, as a JSON Pointer: `/lines/0`.
    pub pointer: String,
    /// What.
    pub says: String,
}

/// How the end of a turn is found, as a form says it: what is empty is as usual.
#[derive(Debug, Clone, Default)]
pub struct TurnForm {
    /// `server_vad` or `semantic_vad`; nothing for what is usual.
    pub kind: String,
    /// By loudness: how loud speech is, 0 to 1.
    pub threshold: String,
    /// By loudness: milliseconds before the beginning that belong to the turn.
    pub prefix_padding_ms: String,
    /// By loudness: milliseconds of silence after which it is over.
    pub silence_duration_ms: String,
    /// By meaning: how eagerly it is answered.
    pub eagerness: String,
}

/// A form, as it was filled in.
#[derive(Debug, Clone, Default)]
pub struct BusinessForm {
    /// The id; fixed once there is a business of it.
    pub id: String,
    /// Whether there is one.
    pub exists: bool,
    /// What the form says of it.
    pub name: String,
    /// Its plan.
    pub plan: String,
    /// A line each.
    pub lines: String,
    /// The first sentence.
    pub greeting: String,
    /// How the model should behave.
    pub instructions: String,
    /// With which voice.
    pub voice: String,
    /// In which language.
    pub language: String,
    /// What the model may do, by name.
    pub tools: Vec<String>,
    /// Places to transfer to: id, label, number.
    pub destinations: Vec<[String; 3]>,
    /// `transfer`, `message`, `voicemail` or nothing.
    pub fallback: String,
    /// The destination or the sentence of it.
    pub fallback_words: String,
    /// Whether calls are recorded.
    pub recording: bool,
    /// What is said first then.
    pub announcement: String,
    /// How the end of a turn is found.
    pub turn: TurnForm,
    /// How hard the model thinks.
    pub effort: String,
    /// Where the business is told of its calls; nowhere, when it is empty.
    pub webhook_url: String,
    /// What signs it, when it was typed. What is kept is never shown.
    pub webhook_secret: Option<WebhookSecret>,
    /// Whether one is kept.
    pub has_secret: bool,
    /// What the stored document was when the form was shown.
    pub seen: String,
}

/// Empty rows for more destinations.
const MORE_DESTINATIONS: usize = 2;

impl BusinessForm {
    /// A form for a new business.
    pub fn new() -> Self {
        Self {
            voice: Voice::default().as_str().to_owned(),
            language: "en".to_owned(),
            tools: vec!["end_call".to_owned(), "take_message".to_owned()],
            turn: TurnForm::of(&TurnDetection::default()),
            ..Self::default()
        }
    }

    /// The form of one there is.
    pub fn of(business: &Business, seen: String) -> Self {
        let (fallback, fallback_words) = match &business.fallback {
            Some(Fallback::Transfer(to)) => ("transfer", to.to_string()),
            Some(Fallback::Message(words)) => ("message", words.clone()),
            Some(Fallback::Voicemail(words)) => ("voicemail", words.clone()),
            None => ("", String::new()),
        };
        let row = |to: &crate::domain::Destination| {
            [to.id.to_string(), to.label.clone(), to.number.as_str().to_owned()]
        };
        let lines: Vec<&str> = business.lines.iter().map(crate::domain::PhoneNumber::as_str).collect();
        Self {
            id: business.id.to_string(),
            exists: true,
            name: business.name.clone(),
            plan: business.plan.to_string(),
            lines: lines.join("\n"),
            greeting: business.greeting.clone(),
            instructions: business.instructions.clone(),
            voice: business.voice.as_str().to_owned(),
            language: business.language.clone(),
            tools: business.tools.iter().map(|tool| word(*tool).to_owned()).collect(),
            destinations: business.destinations.iter().map(row).collect(),
            fallback: fallback.to_owned(),
            fallback_words,
            recording: business.recording,
            announcement: business.recording_announcement.clone().unwrap_or_default(),
            turn: TurnForm::of(&business.turn_detection),
            effort: business.reasoning_effort.clone().unwrap_or_default(),
            webhook_url: business.webhook.as_ref().map(|webhook| webhook.url.clone()).unwrap_or_default(),
            webhook_secret: None,
            has_secret: business.webhook.is_some(),
            seen,
        }
    }
}

impl TurnForm {
    fn of(turn: &TurnDetection) -> Self {
        match turn {
            TurnDetection::ServerVad { threshold, prefix_padding_ms, silence_duration_ms } => Self {
                kind: "server_vad".to_owned(),
                threshold: threshold.to_string(),
                prefix_padding_ms: prefix_padding_ms.to_string(),
                silence_duration_ms: silence_duration_ms.to_string(),
                eagerness: String::new(),
            },
            TurnDetection::SemanticVad { eagerness } => {
                Self { kind: "semantic_vad".to_owned(), eagerness: eagerness.clone(), ..Self::default() }
            }
        }
    }
}

/// The list.
pub fn business_list(
    frame: &Frame<'_>,
    businesses: &[Business],
    next: Option<&str>,
    notice: Option<&str>,
) -> Markup {
    let main = html! {
        div.title { h1 { "Businesses" } }
        p.lead { "Whose phones are answered here, and how." }
        @if let Some(words) = notice { p.notice role="status" { (words) } }
        p { a.button href={ (frame.base) "/businesses/new" } { "New business" } }
        @if businesses.is_empty() {
            div.nothing.always { h2 { "None yet" } p { "Make one here, or import a file with " code { "frontdesk business import" } "." } }
        } @else {
            div.table { table.stack.of-businesses {
                thead { tr { th { "Name" } th { "Lines" } th { "Plan" } th.wide { "Voice" } } }
                tbody {
                    @for business in businesses {
                        tr {
                            td { a.through href={ (frame.base) "/businesses/" (business.id) } { (business.name) } }
                            td { @for line in &business.lines { span.mono { (line.as_str()) } " " } }
                            td { (business.plan) }
                            td.wide { (business.voice.as_str()) }
                        }
                    }
                }
            } }
        }
        @if let Some(next) = next { p.more { a.button.quiet href={ (frame.base) "/businesses?after=" (next) } { "More" } } }
    };
    frame.page("Businesses", Here::Businesses, None, &main)
}

/// The form, with what is wrong with it beside each field.
pub fn business_form(
    frame: &Frame<'_>,
    form: &BusinessForm,
    plans: &[Plan],
    remarks: &[Remark],
    webhook: Option<&str>,
) -> Markup {
    let title = if form.exists { form.name.as_str() } else { "New business" };
    let action = if form.exists {
        format!("{}/businesses/{}", frame.base, form.id)
    } else {
        format!("{}/businesses", frame.base)
    };
    let main = html! {
        p.crumb { a href={ (frame.base) "/businesses" } { "Businesses" } }
        h1 { (title) }
        @if !remarks.is_empty() {
            div.notice.bad role="alert" {
                "Nothing was written: " (remarks.len()) @if remarks.len() == 1 { " thing is wrong." } @else { " things are wrong." }
                ul { @for remark in remarks { li { (place(&remark.pointer)) ": " (remark.says) } } }
            }
        }
        @if let Some(webhook) = webhook { (phone(frame, &form.id, form.lines.lines().next().unwrap_or("+15551234567"), webhook)) }
        form method="post" action=(action) {
            (frame.sealed())
            input type="hidden" name="seen" value=(form.seen);
            div.columns {
                div { (who(form, plans, remarks)) (how(form, remarks)) (advanced::turns(form, remarks)) }
                div { (may(form, remarks)) (advanced::recorded(form, remarks)) (advanced::told(form, remarks)) }
            }
            button type="submit" { @if form.exists { "Save" } @else { "Create" } }
        }
    };
    frame.page(title, Here::Businesses, None, &main)
}

fn who(form: &BusinessForm, plans: &[Plan], remarks: &[Remark]) -> Markup {
    html! {
        h2 { "Who" }
        @if !form.exists {
            (field("id", "Id", "Letters, digits and dashes; it stays.", "/id", remarks, &|wrong| html! {
                input #id name="id" value=(form.id) required pattern="[A-Za-z0-9_.:\\-]{1,64}" aria-invalid=[wrong] aria-describedby="id-more";
            }))
        }
        (text("name", "Name", "", &form.name, remarks))
        (field("plan", "Plan", "", "/plan", remarks, &|wrong| html! {
            select #plan name="plan" required aria-invalid=[wrong] aria-describedby="plan-more" {
                @for plan in plans { option value=(plan.id) selected[plan.id.as_str() == form.plan] { (plan.id) } }
                @if !plans.iter().any(|plan| plan.id.as_str() == form.plan) { option value=(form.plan) selected { (form.plan) } }
            }
        }))
        (field("lines", "Lines", "One number in a row, like +15551234567.", "/lines", remarks, &|wrong| html! {
            textarea #lines name="lines" rows="3" aria-invalid=[wrong] aria-describedby="lines-more" { "\n" (form.lines) }
        }))
    }
}

fn how(form: &BusinessForm, remarks: &[Remark]) -> Markup {
    html! {
        h2 { "How it answers" }
        (field("greeting", "Greeting", "The first sentence a caller hears, word for word.", "/greeting", remarks, &|wrong| html! {
            textarea #greeting name="greeting" rows="2" required aria-invalid=[wrong] aria-describedby="greeting-more" { "\n" (form.greeting) }
        }))
        (field("instructions", "Instructions", "How the model should behave, and what it should know.", "/instructions", remarks, &|wrong| html! {
            textarea #instructions name="instructions" rows="9" required aria-invalid=[wrong] aria-describedby="instructions-more" { "\n" (form.instructions) }
        }))
        div.pair {
            (field("voice", "Voice", "", "/voice", remarks, &|wrong| html! {
                select #voice name="voice" aria-invalid=[wrong] aria-describedby="voice-more" {
                    @for voice in Voice::KNOWN { option value=(voice) selected[voice == form.voice] { (voice) } }
                    @if !Voice::KNOWN.contains(&form.voice.as_str()) { option value=(form.voice) selected { (form.voice) } }
                }
            }))
            (text("language", "Language", "Two letters, like en.", &form.language, remarks))
        }
    }
}

fn may(form: &BusinessForm, remarks: &[Remark]) -> Markup {
    let rows =
        form.destinations.iter().cloned().chain(std::iter::repeat_n(Default::default(), MORE_DESTINATIONS));
    html! {
        h2 { "What the model may do" }
        fieldset {
            legend.unseen { "Tools" }
            @for (tool, words) in [
                (Tool::EndCall, "End the call"),
                (Tool::TransferCall, "Transfer to a destination"),
                (Tool::TakeMessage, "Take a message"),
            ] {
                label.check { input type="checkbox" name="tools" value=(word(tool)) checked[form.tools.iter().any(|it| it == word(tool))]; (words) }
            }
            (wrong_at("/tools", remarks))
        }
        fieldset {
            legend { "Destinations" }
            p.hint { "A name for the model, one for people, and a number. An empty row is none." }
            @for (at, [id, label, number]) in rows.enumerate() {
                div.field {
                    @let called = |what: &str| format!("/destinations/{at}/{what}");
                    @let more = format!("destination-{at}-more");
                    div.pair {
                        input name="destination-id" value=(id) placeholder="front-office" aria-label={ "Destination " (at + 1) ", id" } aria-invalid=[invalid_at(&called("id"), remarks)] aria-describedby=(more);
                        input name="destination-label" value=(label) placeholder="the front office" aria-label={ "Destination " (at + 1) ", label" } aria-invalid=[invalid_at(&called("label"), remarks)] aria-describedby=(more);
                    }
                    input name="destination-number" value=(number) placeholder="+15550001111" inputmode="tel" aria-label={ "Destination " (at + 1) ", number" } aria-invalid=[invalid_at(&called("number"), remarks)] aria-describedby=(more);
                    div id=(more) { (wrong_at(&format!("/destinations/{at}"), remarks)) }
                }
            }
        }
        h2 { "When no model can answer" }
        div.field {
            label for="fallback" { "Fallback" }
            select #fallback name="fallback" {
                @for (value, words) in [("", "Voicemail, with our words"), ("voicemail", "Voicemail, with these words"), ("message", "Say this, and end"), ("transfer", "Ring this destination")] {
                    option value=(value) selected[value == form.fallback] { (words) }
                }
            }
        }
        (field("fallback-words", "Words, or the id of the destination", "", "/fallback", remarks, &|wrong| html! {
            input #fallback-words name="fallback-words" value=(form.fallback_words) aria-invalid=[wrong] aria-describedby="fallback-words-more";
        }))
    }
}
