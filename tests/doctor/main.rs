//! The doctor's acceptance: every row of the decision table that this machine can provoke is provoked, in front of a real
//! server, and the doctor has to name it; a deployment with which nothing is wrong has to be left in peace.
//!
//! `FRONTDESK_TEST_WRITE_TABLE=1 cargo test --test doctor` writes the table into `src/doctor/README.md`.

#[cfg(test)]
mod certificates;
#[cfg(test)]
mod command;
#[cfg(test)]
mod deployment;
#[cfg(test)]
#[expect(dead_code, reason = "the tests of the stores need more of it")]
#[path = "../stores/emulator.rs"]
mod emulator;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod front;
#[cfg(test)]
mod head;
#[cfg(test)]
#[expect(dead_code, reason = "a doctor needs less than all of it")]
#[path = "../calls/house.rs"]
mod house;
#[cfg(test)]
mod proxies;
#[cfg(test)]
mod records;
#[cfg(test)]
mod rows;
#[cfg(test)]
#[expect(dead_code, reason = "a doctor needs less than all of it")]
#[path = "../calls/scenes.rs"]
mod scenes;
#[cfg(test)]
mod table;
#[cfg(test)]
mod traefik;
#[cfg(test)]
mod watching;

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use crate::emulator::skip;
    use crate::fixture::{Fixture, Seen};
    use crate::proxies::Kind;
    use crate::{rows, table};

    /// Has the doctor look at some of them side by side. A fixture that panics is one that failed.
    async fn examine(fixtures: &[&Fixture]) -> Vec<Seen> {
        join_all(fixtures.iter().map(async |fixture| {
            AssertUnwindSafe(fixture.examine()).catch_unwind().await.unwrap_or_else(|_panic| Seen::lost())
        }))
        .await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_doctor_names_the_row_that_is_at_fault_and_none_where_nothing_is() {
        let mut fixtures = rows::all();
        fixtures.sort_by_key(|fixture| fixture.expected.row());
        let fixtures: Vec<&Fixture> = fixtures.iter().collect();
        for missing in Kind::missing() {
            skip(&format!("{missing:?} is not here; Debian has it"));
        }
        let mut seen = examine(&fixtures).await;
        let is_doubtful = |number: &usize| !seen[*number].complaints(fixtures[*number].expected).is_empty();
        // A machine under load is late once, but not twice, and with less to do.
        let doubtful: Vec<usize> = (0..fixtures.len()).filter(is_doubtful).collect();
        let again = examine(&doubtful.iter().map(|number| fixtures[*number]).collect::<Vec<_>>()).await;
        for (number, second) in doubtful.into_iter().zip(again) {
            println!(
                "again: {}: {} then {}",
                fixtures[number].name,
                seen[number].verdict(),
                second.verdict()
            );
            seen[number] = second;
        }
        let played: Vec<(&Fixture, &Seen)> = fixtures.iter().copied().zip(&seen).collect();
        println!("{}", table::timed(&played));
        let wrong = played.iter().flat_map(|(fixture, seen)| {
            let complaints = seen.complaints(fixture.expected).into_iter();
            complaints.map(move |complaint| format!("{}: {complaint}\n{}", fixture.name, seen.steps()))
        });
        let wrong: Vec<_> = wrong.collect();
        assert!(wrong.is_empty(), "\n{} wrong\n{}\n", wrong.len(), wrong.join("\n"));
        assert_eq!(table::rows_without(&played), [], "rows nobody provokes");
        if table::writes() {
            return table::write(&played);
        }
        let differing = table::differences(&table::text(&played), !Kind::missing().is_empty());
        assert!(
            differing.is_empty(),
            "\n{}\nthe table of src/doctor/README.md differs; `{}=1 cargo test --test doctor` writes it anew",
            differing.join("\n"),
            table::WRITES
        );
    }
}
