//! The page of a business: what nobody edits stays as it was, to the last blank; what is wrong is said where it is wrong.

use frontdesk::domain::{Business, BusinessId, BusinessImport, WebhookSecret};
use frontdesk::store::Directory as _;

use crate::browser::{Browser, chromium};
use crate::house::{House, Plans, until};
use crate::scenes::plain;
use crate::story::{TOKEN, log_in, pictures};

/// Every field there is, written as no page of ours would write it; and none that can be left off.
const BUSINESSES: &str = r#"{"businesses":[
 {"id":"venus","name":" Venus & Sons ","plan":"premium","lines":["+15551110001","+15551110002"],
  "greeting":"\nVenus, hello.\n\nHow can I help? ","instructions":"  You sell flowers.\r\nBe <kind>.\n",
  "voice":"voice_custom","language":"de","reasoningEffort":"low",
  "turnDetection":{"type":"server_vad","threshold":0.3,"prefixPaddingMs":250,"silenceDurationMs":700},
  "destinations":[{"id":"shop","label":" the  shop","number":"+15550001111"}],"fallback":{"voicemail":"We sleep. "},
  "tools":["take_message","end_call","transfer_call"],"recording":true,"recordingAnnouncement":" This is recorded.",
  "webhook":{"url":"https://example.com/hooks","secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}},
 {"id":"mars","name":"Mars","plan":"premium","greeting":"Mars.","instructions":"You sell bars.",
  "turnDetection":{"type":"semantic_vad"}}]}"#;

async fn kept(house: &House, id: &str) -> Business {
    house.store.business(&BusinessId::parse(id).unwrap()).await.unwrap().unwrap()
}

/// Sends the form as it stands on the page.
fn sends(id: &str) -> String {
    format!("document.querySelector('form[action$=\"/businesses/{id}\"]').requestSubmit()")
}

#[tokio::test]
async fn saving_a_page_changes_nothing_that_was_not_edited_and_shows_no_secret() {
    let Some(chromium) = chromium() else { return };
    let settings = vec![("ADMIN_TOKEN", TOKEN.to_owned())];
    let house = House::build(Plans { settings, ..Plans::new("window-business", vec![plain()]) }).await;
    let import: BusinessImport = serde_json::from_str(BUSINESSES).unwrap();
    house.store.import(&import).await.unwrap();
    let mut browser = Browser::start(&chromium).await;
    log_in(&mut browser, &house.base).await;
    for business in &import.businesses {
        let page = format!("{}/businesses/{}", house.base, business.id);
        browser.open(&page).await;
        let shown = browser.ask("document.documentElement.outerHTML.includes('MfKQ9r8GKYq')").await;
        assert_eq!(shown, false, "a secret is on the page");
        browser.ask(&sends(business.id.as_str())).await;
        browser.until("document.querySelector('.notice')?.textContent.startsWith('Saved.')").await;
        assert_eq!(kept(&house, business.id.as_str()).await, *business);
    }

    let venus = format!("{}/businesses/venus", house.base);
    browser.open(&venus).await;
    browser.ask("document.querySelector('#webhook-url').value = 'https://example.com/others'").await;
    browser.ask(&sends("venus")).await;
    browser.until("document.querySelector('.notice')?.textContent.startsWith('Saved.')").await;
    let mut edited = import.businesses[0].clone();
    edited.webhook.as_mut().unwrap().url = "https://example.com/others".to_owned();
    assert_eq!(kept(&house, "venus").await, edited, "the secret stays, and all else");

    browser.open(&venus).await;
    pictures(&mut browser, "business-full").await;
    browser
        .ask(
            "document.querySelector('#threshold').value = 'loud'; document.querySelector('#webhook-secret').value = 'hush'",
        )
        .await;
    browser.ask(&sends("venus")).await;
    for field in ["threshold", "webhook-secret"] {
        browser.until(&format!("document.querySelector('#{field}-more .wrong') !== null")).await;
        let marked = browser.ask(&format!("document.querySelector('#{field}').ariaInvalid")).await;
        assert_eq!(marked, "true", "{field}");
    }
    let typed = browser.ask("document.querySelector('#webhook-secret').value").await;
    assert_eq!(typed, "", "what was typed as a secret is not said back");
    pictures(&mut browser, "business-wrong").await;
    assert_eq!(kept(&house, "venus").await, edited);

    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    browser
        .ask(&format!(
            "document.querySelector('#threshold').value = ''; document.querySelector('#silence').value = '900'; \
             document.querySelector('#webhook-secret').value = '{secret}'"
        ))
        .await;
    browser.ask(&sends("venus")).await;
    let new = WebhookSecret::new(secret);
    until("the new secret is not kept", async || kept(&house, "venus").await.webhook.unwrap().secret == new)
        .await;
    let turns = serde_json::to_value(kept(&house, "venus").await.turn_detection).unwrap();
    assert_eq!((&turns["threshold"], &turns["silenceDurationMs"]), (&0.5.into(), &900.into()));

    browser.open(&venus).await;
    browser.ask("document.querySelector('#webhook-url').value = ''").await;
    browser.ask(&sends("venus")).await;
    until("nobody is told any more", async || kept(&house, "venus").await.webhook.is_none()).await;
}
