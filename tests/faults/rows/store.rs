//! The store is slow, or away, or has never heard of the number.

use frontdesk::domain::CallSid;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use crate::fault::{Fault, Guard, Scene, fault, listens};
use crate::furnished::Kept;
use crate::scenes::{asks, hangs_up};
use crate::voices::{ANSWERS, GOODBYE, asks_into, next, well};

/// A line of nobody's.
const NOBODYS: &str = "+15550000000";

/// The call for whose log there is no room.
const CROWDED: &str = "CA0000000000000000000000000000f011";

pub(super) fn rows() -> Vec<Fault> {
    vec![
        Fault { before: Some(breaks), ..fault("store away, a line that was called before") },
        Fault {
            before: Some(breaks),
            call: |plan| NOBODYS.clone_into(&mut plan.to),
            ..fault("store away, a line nobody called before")
        },
        Fault {
            before: Some(hangs),
            call: |plan| plan.caller = vec![asks(), hangs_up()],
            ..fault("store takes no writes, when the call begins")
        },
        Fault {
            before: Some(hangs),
            since: Some(GOODBYE),
            ..fault("store takes no writes, when the call should end")
        },
        Fault {
            before: Some(knows),
            meanwhile: Some(breaks_in_mid_call),
            // The first is of the call before.
            scripts: vec![well(), well(), next()],
            since: Some(ANSWERS),
            call: |plan| {
                plan.caller = vec![asks(), asks_into(2)];
                plan.line_faults = vec![vec![frontdesk::sim::LineFault::Reset { at_ms: 1_800 }]];
            },
            ..fault("store away and stream reset")
        },
        Fault {
            call: |plan| {
                listens(plan);
                NOBODYS.clone_into(&mut plan.to);
            },
            ..fault("a number that is nobody's")
        },
        Fault {
            before: Some(crowds),
            kept: Kept::Nothing,
            call: |plan| {
                plan.caller = vec![asks(), asks()];
                plan.call = CallSid::parse(CROWDED).unwrap();
            },
            ..fault("disk full: neither log nor greeting can be kept")
        },
    ]
}

async fn connect(scene: &Scene) -> SqliteConnection {
    let path = format!("sqlite://{}", scene.house.file("frontdesk.db").display());
    SqliteConnection::connect(&path).await.unwrap()
}

/// Somebody has called this line before.
fn knows(scene: &Scene) -> LocalBoxFuture<'_, Guard> {
    async {
        scene.house.call(vec![hangs_up()]).await;
        scene.house.until_quiet().await;
        Box::new(()) as Guard
    }
    .boxed_local()
}

/// Known before, and now nothing is there any more.
fn breaks(scene: &Scene) -> LocalBoxFuture<'_, Guard> {
    async {
        knows(scene).await;
        break_it(scene).await;
        Box::new(()) as Guard
    }
    .boxed_local()
}

fn breaks_in_mid_call(scene: &Scene) -> LocalBoxFuture<'_, Guard> {
    async {
        let house = &scene.house;
        let heard = |logs: &Vec<frontdesk::sim::socket::ConnectionLog>| {
            logs.get(1).is_some_and(|log| log.appended_ms > 300)
        };
        house.model.until(heard).await;
        break_it(scene).await;
        Box::new(()) as Guard
    }
    .boxed_local()
}

async fn break_it(scene: &Scene) {
    let mut database = connect(scene).await;
    sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut database).await.unwrap();
    let tables =
        sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    for table in tables.fetch_all(&mut database).await.unwrap() {
        let drop = format!("DROP TABLE {}", table.get::<String, _>(0));
        sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&mut database).await.unwrap();
    }
}

/// Somebody else writes, and does not stop.
pub(super) fn hangs(scene: &Scene) -> LocalBoxFuture<'_, Guard> {
    async {
        let mut writer = connect(scene).await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut writer).await.unwrap();
        scene.holds.borrow_mut().push(Box::new(writer));
        Box::new(()) as Guard
    }
    .boxed_local()
}

/// What is said of messages cannot be kept.
pub(super) fn forgets_messages(scene: &Scene) -> LocalBoxFuture<'_, Guard> {
    async {
        let mut database = connect(scene).await;
        sqlx::query("DROP TABLE messages").execute(&mut database).await.unwrap();
        Box::new(()) as Guard
    }
    .boxed_local()
}

/// The log of this call goes where there is no room, and greetings where there is no folder.
fn crowds(scene: &Scene) -> LocalBoxFuture<'_, Guard> {
    async {
        let calls = scene.data.path().join("calls");
        std::fs::create_dir_all(&calls).unwrap();
        std::os::unix::fs::symlink("/dev/full", calls.join(format!("{CROWDED}-1.jsonl"))).unwrap();
        std::fs::write(scene.data.path().join("greetings"), "").unwrap();
        Box::new(()) as Guard
    }
    .boxed_local()
}
