//! Many calls at once on one page.

use crate::browser::{Browser, Work, chromium};
use crate::crowd::{Crowd, Moves};
use crate::story::{log_in, pictures};

const CALLS: usize = 200;

/// How many times the feed is heard while the page is watched: ten seconds.
const BEATS: f64 = 20.0;

/// Of the half second between two beats, the page's thread may be busy for so many milliseconds of its processor's time
/// with our script and what follows from it: a fifth. Then there is no moment in which it does not answer a hand. It is half
/// of this where four compilers share the two cores with it.
const MOST_MS_A_BEAT: f64 = 100.0;

/// Watches the page from within for as many beats: frames that came, frames that were missed, tasks of more than 50 ms.
const WATCH: &str = "new Promise(done => { \
    const seen = { beats: 0, frames: 0, missed: 0, tasks: 0, longest: 0, ms: 0 }; \
    const tasks = new PerformanceObserver(list => list.getEntries().forEach(task => { \
        seen.tasks += 1; seen.longest = Math.max(seen.longest, task.duration); })); \
    tasks.observe({ type: 'longtask' }); \
    const beats = new MutationObserver(() => seen.beats += 1); \
    beats.observe(document.getElementById('at'), { attributes: true }); \
    const began = performance.now(); \
    let last = began; \
    const frame = now => { \
        seen.frames += 1; \
        seen.missed += Math.max(0, Math.round((now - last) / (1000 / 60)) - 1); \
        last = now; \
        if (seen.beats < 20) return requestAnimationFrame(frame); \
        tasks.disconnect(); beats.disconnect(); \
        seen.ms = now - began; \
        done(seen); \
    }; \
    requestAnimationFrame(frame); })";

#[tokio::test]
async fn with_two_hundred_calls_in_flight_a_page_follows_them_all_and_has_time_to_spare() {
    let Some(chromium) = chromium() else { return };
    let crowd = Crowd::of(CALLS).await;
    let mut browser = Browser::start(&chromium).await;
    log_in(&mut browser, &crowd.base).await;
    browser.until("document.querySelector('#link').dataset.state === 'live'").await;
    browser.until(&format!("document.querySelectorAll('#calls > li').length === {CALLS}")).await;
    let _moving = crowd.moving(Moves { one_in: 9, words: 12 });
    browser.until("document.querySelector('#calls .said').textContent.includes('and so on')").await;
    browser
        .ask("window.bars = [...document.querySelectorAll('#calls li, #calls .row, #calls .meter i')]; true")
        .await;

    let before = browser.work().await;
    let seen = browser.ask(WATCH).await;
    let work = browser.work().await.since(&before);
    let number = |name: &str| seen[name].as_f64().unwrap();
    let Work { script_ms, layout_ms, thread_ms } = work;
    println!(
        "{CALLS} calls, all meters and a ninth of the words a beat of 500 ms, on the page's thread: {:.1} ms of script \
         and {:.1} ms of style and layout a beat, busy for {:.1} % of the time; {} frames, {} missed; {} tasks longer \
         than 50 ms, the longest {:.0} ms",
        script_ms / BEATS,
        layout_ms / BEATS,
        thread_ms / number("ms") * 100.0,
        seen["frames"],
        seen["missed"],
        seen["tasks"],
        number("longest"),
    );
    let busy = (script_ms + layout_ms) / BEATS;
    assert!(busy < MOST_MS_A_BEAT, "{busy} ms of script, style and layout a beat");
    assert!(thread_ms / number("ms") < 0.5, "the page's thread is busy for half of the time");
    assert_eq!(browser.ask("window.bars.every(bar => bar.isConnected)").await, true, "a bar is the same bar");

    pictures(&mut browser, "now-crowded").await;
    crowd.say("The last of two hundred is followed, too.");
    browser.until("document.querySelector('#calls').textContent.includes('is followed, too')").await;
    assert_eq!(browser.ask("document.querySelectorAll('#calls > li').length").await, CALLS);
    browser.complaints.retain(|complaint| !(complaint.contains("403") && complaint.contains("/login")));
    assert_eq!(browser.complaints, Vec::<String>::new());
}
