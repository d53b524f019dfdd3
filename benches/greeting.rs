//! How long a caller waits for the first word, over real sockets: the first call a business ever gets, and later ones.
//! `cargo bench --bench greeting`. The model takes 150 ms to connect, 50 to be set up and 300 to speak; Twilio takes 400
//! from the TwiML to the stream.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may stop")]

#[expect(dead_code, reason = "a benchmark needs less than all of it")]
#[path = "../tests/calls/house.rs"]
mod house;

use std::time::Duration;

use frontdesk::sim::model::{Reply, Script};
use frontdesk::sim::socket::{PhoneEvent, PhoneReport};
use frontdesk::sim::{Act, Step, When, tone};

use house::{GREETING, House, Plans};

/// Each business is called once for the first time, and then again.
const BUSINESSES: usize = 15;
const LATER_CALLS: usize = 2;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let script = Script::new(Reply::speech(tone::noise(1, 4_000), GREETING), Reply::default());
    let house =
        House::build(Plans { businesses: businesses(), ..Plans::new("greeting", vec![script]) }).await;
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for number in 0..BUSINESSES {
        for call in 0..=LATER_CALLS {
            let mut plan = house.plan(vec![Step { when: When::AfterSilence(100), act: Act::HangUp }]);
            plan.to = line(number);
            plan.before_stream = Duration::from_millis(400);
            let waited = waited(&house.phone.call(plan).await);
            let calls = if call == 0 { &mut first } else { &mut later };
            calls.push(waited);
            house.until_quiet().await;
        }
    }
    tell("the first call of a business", first);
    tell("a later call", later);
}

/// From `start` to the first audio, as the telephone sees it.
fn waited(report: &PhoneReport) -> Duration {
    assert_eq!(report.problems(), Vec::<String>::new());
    let started = report.when(|event| *event == PhoneEvent::Started).unwrap();
    report.when(|event| *event == PhoneEvent::FirstAudio).unwrap().since(started)
}

fn line(number: usize) -> String {
    format!("+1555{:07}", 1_000_000 + number)
}

/// Many like Luna Dental.
fn businesses() -> String {
    let mut import: serde_json::Value = serde_json::from_str(house::LUNA).unwrap();
    let one = import.pointer("/businesses/0").unwrap().clone();
    let many = (0..BUSINESSES).map(|number| {
        let mut other = one.clone();
        let business = other.as_object_mut().unwrap();
        business.insert("id".to_owned(), format!("business-{number}").into());
        business.insert("lines".to_owned(), vec![line(number)].into());
        other
    });
    let many = many.collect();
    import.as_object_mut().unwrap().insert("businesses".to_owned(), many);
    import.to_string()
}

fn tell(what: &str, mut waited: Vec<Duration>) {
    waited.sort();
    let ms = |duration: Option<&Duration>| duration.unwrap().as_secs_f64() * 1_000.0;
    println!(
        "{what}: first audio after {:.1} ms (best {:.1}, worst {:.1}, {} calls)",
        ms(waited.get(waited.len() / 2)),
        ms(waited.first()),
        ms(waited.last()),
        waited.len()
    );
}
