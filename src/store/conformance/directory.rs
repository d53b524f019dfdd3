//! What every [`Directory`] must do.

use futures_util::future::{join, join_all};

use super::{RACERS, fresh, fresh_line, one_business, one_call};
use crate::domain::{Business, BusinessId, BusinessImport, CallRecord, Plan, PlanId};
use crate::store::{Directory, Ledger, StoreError};

/// All that is asked of a directory.
pub async fn all(store: &dyn Directory) {
    what_is_imported_is_found_by_id_and_by_line(store).await;
    what_is_not_there_is_no_error(store).await;
    an_import_replaces_what_has_the_same_id(store).await;
    of_two_with_one_id_the_later_stays(store).await;
    lists_are_whole_and_by_id(store).await;
    a_list_goes_on_behind_any_id(store).await;
    a_line_of_another_business_fails_the_import_and_names_both(store).await;
    lines_can_be_exchanged_in_one_import(store).await;
    a_business_needs_a_plan_that_is_there(store).await;
    an_import_is_all_or_nothing(store).await;
    imports_at_once_all_arrive(store).await;
    of_many_that_want_one_line_at_once_one_gets_it(store).await;
    a_business_that_is_taken_away_leaves_its_lines_to_others(store).await;
    a_plan_is_taken_away_when_no_business_has_it(store).await;
    a_plan_that_is_taken_away_while_a_business_takes_it_stays_or_is_refused(store).await;
}

/// Every field comes back as it was.
pub async fn what_is_imported_is_found_by_id_and_by_line(store: &dyn Directory) {
    let import = one_business();
    store.import(&import).await.expect("imports");
    for business in &import.businesses {
        assert_eq!(found(store, &business.id).await.as_ref(), Some(business));
        for line in &business.lines {
            let owner = store.business_by_line(line).await.expect("answers");
            assert_eq!(owner.as_ref(), Some(business));
        }
    }
    for plan in &import.plans {
        assert_eq!(store.plan(&plan.id).await.expect("answers").as_ref(), Some(plan));
    }
}

/// A stranger is an answer.
pub async fn what_is_not_there_is_no_error(store: &dyn Directory) {
    let name = fresh();
    assert_eq!(found(store, &BusinessId::parse(&name).expect("legal")).await, None);
    assert_eq!(store.business_by_line(&fresh_line()).await.expect("answers"), None);
    assert_eq!(store.plan(&plan_id(&name)).await.expect("answers"), None);
}

/// Lines it no longer has lead nowhere; plans it does not mention stay.
pub async fn an_import_replaces_what_has_the_same_id(store: &dyn Directory) {
    let mut import = one_business();
    store.import(&import).await.expect("imports");
    let plan = import.plans.remove(0);
    let (mut old, mut new) = (fresh_line(), fresh_line());
    for business in &mut import.businesses {
        business.greeting = "We have moved.".to_owned();
        (old, new) = (business.lines.remove(0), fresh_line());
        business.lines.push(new.clone());
    }
    store.import(&import).await.expect("imports again");
    assert_eq!(store.business_by_line(&old).await.expect("answers"), None);
    let moved = store.business_by_line(&new).await.expect("answers");
    assert_eq!(moved.as_ref(), import.businesses.first());
    assert_eq!(store.plan(&plan.id).await.expect("answers"), Some(plan));
}

/// As it would be in two imports.
pub async fn of_two_with_one_id_the_later_stays(store: &dyn Directory) {
    let mut import = one_business();
    let (mut plan, mut business) = (import.plans[0].clone(), import.businesses[0].clone());
    plan.minutes_per_call = 7;
    business.lines = vec![fresh_line()];
    import.plans.push(plan.clone());
    import.businesses.push(business.clone());
    store.import(&import).await.expect("imports");
    let dropped = &import.businesses[0].lines[0];
    assert_eq!(store.plan(&plan.id).await.expect("answers"), Some(plan));
    assert_eq!(store.business_by_line(dropped).await.expect("answers"), None);
    assert_eq!(found(store, &business.id).await, Some(business));
}

/// Nothing is missing, and the order is that of the ids.
pub async fn lists_are_whole_and_by_id(store: &dyn Directory) {
    for _ in 0..3 {
        store.import(&one_business()).await.expect("imports");
    }
    let import = one_business();
    store.import(&import).await.expect("imports");
    let (businesses, plans) = (
        store.businesses(None, 1_000_000).await.expect("answers").items,
        store.plans(None, 1_000_000).await.expect("answers").items,
    );
    let next = store.businesses(None, 1_000_000).await.expect("answers").next;
    assert_eq!(next, None, "nothing is behind the last");
    assert!(businesses.is_sorted_by(|one, next| one.id < next.id));
    assert!(plans.is_sorted_by(|one, next| one.id < next.id));
    assert!(businesses.len() >= 4 && plans.len() >= 4);
    assert!(import.businesses.iter().all(|business| businesses.contains(business)));
    assert!(import.plans.iter().all(|plan| plans.contains(plan)));
}

/// And is no longer than was asked for.
pub async fn a_list_goes_on_behind_any_id(store: &dyn Directory) {
    let (prefix, mut import) = (fresh(), one_business());
    let (plan, business) = (import.plans.remove(0), import.businesses.remove(0));
    for name in ["c", "a", "b"] {
        let plan = Plan { id: plan_id(&format!("{prefix}-{name}")), ..plan.clone() };
        let id = BusinessId::parse(&format!("{prefix}-{name}")).expect("legal");
        import.businesses.push(Business { id, plan: plan.id.clone(), lines: Vec::new(), ..business.clone() });
        import.plans.push(plan);
    }
    store.import(&import).await.expect("imports");

    let before = BusinessId::parse(&prefix).expect("legal");
    let first = store.businesses(Some(&before), 2).await.expect("answers");
    assert_eq!(first.items, [import.businesses[1].clone(), import.businesses[2].clone()]);
    assert_eq!(first.next.as_ref(), Some(&import.businesses[2].id));
    let second = store.businesses(first.next.as_ref(), 1).await.expect("answers");
    assert_eq!(second.items, [import.businesses[0].clone()]);

    let first = store.plans(Some(&plan_id(&prefix)), 2).await.expect("answers");
    assert_eq!(first.items, [import.plans[1].clone(), import.plans[2].clone()]);
    assert_eq!(first.next.as_ref(), Some(&import.plans[2].id));
    let second = store.plans(first.next.as_ref(), 1).await.expect("answers");
    assert_eq!(second.items, [import.plans[0].clone()]);

    let behind_all = "z".repeat(64);
    let nothing = store.businesses(BusinessId::parse(&behind_all).ok().as_ref(), 9).await.expect("answers");
    assert_eq!((nothing.items, nothing.next), (Vec::new(), None));
    let nothing = store.plans(Some(&plan_id(&behind_all)), 9).await.expect("answers");
    assert_eq!((nothing.items, nothing.next), (Vec::new(), None));
}

/// Whether the owner is in the store or earlier in the same import.
pub async fn a_line_of_another_business_fails_the_import_and_names_both(store: &dyn Directory) {
    let (owner, mut thief) = (one_business(), one_business());
    let line = owner.businesses[0].lines[0].clone();
    store.import(&owner).await.expect("imports");
    thief.businesses[0].lines.push(line.clone());
    assert_line_taken(store.import(&thief).await, &owner.businesses[0], &thief.businesses[0]);
    assert_eq!(found(store, &thief.businesses[0].id).await, None);
    let still = store.business_by_line(&line).await.expect("answers");
    assert_eq!(still.as_ref(), owner.businesses.first());

    let (one, mut both) = (one_business().businesses.remove(0), one_business());
    let mut other = Business { plan: both.plans[0].id.clone(), ..one };
    other.lines.clone_from(&both.businesses[0].lines);
    both.businesses.push(other);
    let [first, second] = [&both.businesses[0].id, &both.businesses[1].id];
    let error = store.import(&both).await.expect_err("two businesses cannot own one line");
    assert!(names_both(&error, first, second) || names_both(&error, second, first), "{error}");
}

/// What one gives up in an import, another may take in it.
pub async fn lines_can_be_exchanged_in_one_import(store: &dyn Directory) {
    let mut import = one_business();
    let mut second = one_business();
    import.plans.append(&mut second.plans);
    import.businesses.append(&mut second.businesses);
    store.import(&import).await.expect("imports");
    let (one, two) = (import.businesses[0].lines.clone(), import.businesses[1].lines.clone());
    import.businesses[0].lines.clone_from(&two);
    import.businesses[1].lines.clone_from(&one);
    store.import(&import).await.expect("exchanges");
    let first = store.business_by_line(&two[0]).await.expect("answers");
    let second = store.business_by_line(&one[0]).await.expect("answers");
    assert_eq!((first.as_ref(), second.as_ref()), (import.businesses.first(), import.businesses.last()));
}

/// In the import, or in the store before it.
pub async fn a_business_needs_a_plan_that_is_there(store: &dyn Directory) {
    let mut import = one_business();
    let plans = std::mem::take(&mut import.plans);
    let wanted = &import.businesses[0];
    let error = store.import(&import).await.expect_err("a plan must be there");
    assert!(
        matches!(&error, StoreError::UnknownPlan { business, plan } if *business == wanted.id && *plan == wanted.plan),
        "{error}"
    );
    store.import(&BusinessImport { plans, businesses: Vec::new() }).await.expect("imports the plan");
    store.import(&import).await.expect("imports the business");
    assert_eq!(found(store, &import.businesses[0].id).await.as_ref(), import.businesses.first());
}

/// A mistake at its end undoes its beginning.
pub async fn an_import_is_all_or_nothing(store: &dyn Directory) {
    let before = one_business();
    store.import(&before).await.expect("imports");
    let (mut import, second) = (before.clone(), one_business());
    import.plans[0].minutes_per_call = 1;
    import.businesses[0].greeting = "Nobody should hear this.".to_owned();
    import.businesses[0].lines = vec![fresh_line()];
    import.businesses.extend(second.businesses);
    assert!(matches!(store.import(&import).await, Err(StoreError::UnknownPlan { .. })));
    assert_eq!(found(store, &before.businesses[0].id).await.as_ref(), before.businesses.first());
    assert_eq!(store.plan(&before.plans[0].id).await.expect("answers").as_ref(), before.plans.first());
    assert_eq!(store.business_by_line(&import.businesses[0].lines[0]).await.expect("answers"), None);
    let line = &before.businesses[0].lines[0];
    assert_eq!(store.business_by_line(line).await.expect("answers").as_ref(), before.businesses.first());
}

/// None is lost, none fails because of another.
pub async fn imports_at_once_all_arrive(store: &dyn Directory) {
    let imports: Vec<_> = (0..RACERS).map(|_| one_business()).collect();
    for imported in join_all(imports.iter().map(|import| store.import(import))).await {
        imported.expect("imports");
    }
    for import in &imports {
        assert_eq!(found(store, &import.businesses[0].id).await.as_ref(), import.businesses.first());
    }
}

/// And of the others nothing is left.
pub async fn of_many_that_want_one_line_at_once_one_gets_it(store: &dyn Directory) {
    let line = fresh_line();
    let mut imports: Vec<_> = (0..RACERS).map(|_| one_business()).collect();
    for import in &mut imports {
        import.businesses[0].lines.push(line.clone());
    }
    let outcomes = join_all(imports.iter().map(|import| store.import(import))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let owner = store.business_by_line(&line).await.expect("answers").expect("has an owner");
    for (import, outcome) in imports.iter().zip(outcomes) {
        let kept = found(store, &import.businesses[0].id).await;
        if outcome.is_ok() {
            assert_eq!(kept.as_ref(), Some(&owner));
        } else {
            assert_line_taken(outcome, &owner, &import.businesses[0]);
            assert_eq!(kept, None);
        }
    }
}

/// Its plan stays.
pub async fn a_business_that_is_taken_away_leaves_its_lines_to_others(store: &dyn Directory) {
    let (import, mut heir) = (one_business(), one_business());
    let (business, line) = (&import.businesses[0], import.businesses[0].lines[0].clone());
    store.import(&import).await.expect("imports");
    for there in [true, false] {
        assert_eq!(store.remove_business(&business.id).await.expect("answers"), there);
        assert_eq!(found(store, &business.id).await, None);
        assert_eq!(store.business_by_line(&line).await.expect("answers"), None);
    }
    assert_eq!(store.plan(&business.plan).await.expect("answers").as_ref(), import.plans.first());
    heir.businesses[0].lines.push(line.clone());
    store.import(&heir).await.expect("imports");
    assert_eq!(store.business_by_line(&line).await.expect("answers").as_ref(), heir.businesses.first());
}

/// Somebody may still ask what it used.
pub async fn the_calls_of_a_business_that_is_taken_away_stay(store: &dyn Directory, ledger: &dyn Ledger) {
    let import = one_business();
    store.import(&import).await.expect("imports");
    let business = import.businesses[0].id.clone();
    let call = CallRecord { business, ..one_call() };
    ledger.open_call(&call).await.expect("opens");
    assert!(store.remove_business(&call.business).await.expect("answers"));
    assert_eq!(ledger.call(&call.call).await.expect("answers").as_ref(), Some(&call));
    assert_eq!(ledger.calls(&call.business, None, 9).await.expect("answers").items, [call]);
}

/// Until then its error says who has it.
pub async fn a_plan_is_taken_away_when_no_business_has_it(store: &dyn Directory) {
    let mut import = one_business();
    let (plan, other) = (import.plans[0].clone(), one_business().plans.remove(0));
    import.plans.push(other.clone());
    store.import(&import).await.expect("imports");
    let error = store.remove_plan(&plan.id).await.expect_err("somebody has it");
    let owner = import.businesses[0].id.clone();
    assert!(
        matches!(&error, StoreError::PlanInUse { plan: kept, business } if *kept == plan.id && *business == owner),
        "{error}"
    );
    assert_eq!(store.plan(&plan.id).await.expect("answers").as_ref(), Some(&plan));

    import.businesses[0].plan = other.id.clone();
    store.import(&import).await.expect("gives it another plan");
    for there in [true, false] {
        assert_eq!(store.remove_plan(&plan.id).await.expect("answers"), there);
        assert_eq!(store.plan(&plan.id).await.expect("answers"), None);
    }
    assert!(store.remove_plan(&other.id).await.is_err());
    store.remove_business(&owner).await.expect("answers");
    assert!(store.remove_plan(&other.id).await.expect("answers"));
}

/// A business without a plan could not be answered.
pub async fn a_plan_that_is_taken_away_while_a_business_takes_it_stays_or_is_refused(store: &dyn Directory) {
    for _ in 0..10 {
        let BusinessImport { plans, businesses } = one_business();
        let (plan, business) = (plans[0].id.clone(), businesses[0].id.clone());
        store.import(&BusinessImport { plans, businesses: Vec::new() }).await.expect("imports the plan");
        let import = BusinessImport { plans: Vec::new(), businesses };
        let (removed, imported) = join(store.remove_plan(&plan), store.import(&import)).await;
        let refused = matches!(imported, Err(StoreError::UnknownPlan { .. }));
        let stays = matches!(removed, Err(StoreError::PlanInUse { .. }));
        assert_eq!(
            (imported.is_ok(), matches!(removed, Ok(true)), refused),
            (stays, !stays, !stays),
            "{removed:?}, {imported:?}"
        );
        assert_eq!(found(store, &business).await.is_some(), stays);
        assert_eq!(store.plan(&plan).await.expect("answers").is_some(), stays);
    }
}

fn plan_id(text: &str) -> PlanId {
    PlanId::parse(text).expect("legal")
}

async fn found(store: &dyn Directory, id: &BusinessId) -> Option<Business> {
    store.business(id).await.expect("answers")
}

fn assert_line_taken(outcome: Result<(), StoreError>, owner: &Business, claimant: &Business) {
    let error = outcome.expect_err("a line has one owner");
    assert!(names_both(&error, &owner.id, &claimant.id), "{error}");
}

fn names_both(error: &StoreError, has: &BusinessId, wants: &BusinessId) -> bool {
    matches!(error, StoreError::LineTaken { owner, claimant, .. } if owner == has && claimant == wants)
}
