//! What every [`Directory`] must do.

use futures_util::future::join_all;

use super::{RACERS, fresh, fresh_line, one_business};
use crate::domain::{Business, BusinessId, BusinessImport, PlanId};
use crate::store::{Directory, StoreError};

/// All that is asked of a directory.
pub async fn all(store: &dyn Directory) {
    what_is_imported_is_found_by_id_and_by_line(store).await;
    what_is_not_there_is_no_error(store).await;
    an_import_replaces_what_has_the_same_id(store).await;
    of_two_with_one_id_the_later_stays(store).await;
    lists_are_whole_and_by_id(store).await;
    a_line_of_another_business_fails_the_import_and_names_both(store).await;
    lines_can_be_exchanged_in_one_import(store).await;
    a_business_needs_a_plan_that_is_there(store).await;
    an_import_is_all_or_nothing(store).await;
    imports_at_once_all_arrive(store).await;
    of_many_that_want_one_line_at_once_one_gets_it(store).await;
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
    assert_eq!(store.plan(&PlanId::parse(&name).expect("legal")).await.expect("answers"), None);
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
    assert!(businesses.is_sorted_by(|one, next| one.id < next.id));
    assert!(plans.is_sorted_by(|one, next| one.id < next.id));
    assert!(businesses.len() >= 4 && plans.len() >= 4);
    assert!(import.businesses.iter().all(|business| businesses.contains(business)));
    assert!(import.plans.iter().all(|plan| plans.contains(plan)));
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
