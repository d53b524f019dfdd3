//! Checks what is to be taken in, all of it, before anything is written: the shape, the words, what refers to what, and
//! what the store says to it. Every mistake is told at once, with its place.
//!
//! Reading is work for the processor alone and asks nobody ([`Draft`]); what needs the store comes second
//! ([`Draft::against`]), so that whoever carries calls on the same threads can read a large file elsewhere.

mod checker;
mod shape;
mod tools;
mod tree;

use futures_util::future::try_join_all;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::checker::Checker;
pub use self::checker::{Fault, Finding, Place, nearest};
use self::shape::Names;
use self::tree::Tree;
use super::{Directory, StoreError};
use crate::domain::{Business, BusinessId, BusinessImport, PhoneNumber, Plan, PlanId};

/// How many questions are put to the store at once: enough that one over a network does not make a file of thousands
/// take minutes, few enough that callers who ask meanwhile are not kept waiting.
const ASKED_AT_ONCE: usize = 16;

/// Among how many plans the one that was probably meant is looked for; more is no typo's worth of work.
const PLANS_COMPARED: usize = 1_000;

/// What is to be said of a document.
#[derive(Debug)]
pub struct Checked<T> {
    /// What it says; there only without mistakes.
    pub right: Option<T>,
    /// What is wrong with it.
    pub mistakes: Vec<Finding>,
    /// What is odd, and no mistake.
    pub warnings: Vec<Finding>,
}

/// A document that was read and checked in itself, and not yet against the store.
pub struct Draft<T> {
    checker: Checker,
    names: Names,
    value: Option<T>,
}

/// Reads an import file.
pub fn read_file(text: &str) -> Draft<BusinessImport> {
    read(text, |checker, value, names| shape::check_file(checker, value, names))
}

/// Reads one business that is to be kept under this id. It need not say its id; if it does, it must be this one.
pub fn read_business(text: &str, id: &BusinessId) -> Draft<Business> {
    read(text, |checker, value, names| {
        called(checker, value, id.as_str());
        shape::check_business(checker, &Place::default(), value, names);
    })
}

/// Reads one plan that is to be kept under this id. It need not say its id; if it does, it must be this one.
pub fn read_plan(text: &str, id: &PlanId) -> Draft<Plan> {
    read(text, |checker, value, names| {
        called(checker, value, id.as_str());
        shape::check_plan(checker, &Place::default(), value, names);
    })
}

fn read<T: DeserializeOwned>(
    text: &str,
    check: impl FnOnce(&mut Checker, &mut Value, &mut Names),
) -> Draft<T> {
    let mut draft = Draft { checker: Checker::default(), names: Names::default(), value: None };
    let text = text.trim_start_matches('\u{feff}');
    let mut value = match serde_json::from_str::<Tree>(text) {
        Ok(Tree(value)) => value,
        Err(error) => {
            let (line, column, problem) = (error.line(), error.column(), error.to_string());
            let problem = problem.split(" at line ").next().unwrap_or_default();
            let problem = format!("line {line}, column {column}: not JSON: {problem}");
            draft.checker.fault(Fault::NotJson, Place::default(), problem);
            return draft;
        }
    };
    check(&mut draft.checker, &mut value, &mut draft.names);
    if draft.checker.mistakes.is_empty() {
        match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(value) => draft.value = Some(value),
            // The check above knows every field, so this is only for one it forgot; what stands there stays unsaid.
            Err(error) => {
                let problem = format!("`{}` does not read", error.path());
                draft.checker.mistake(Place::default(), problem);
            }
        }
    }
    draft
}

/// Gives a document the id under which it is to be kept.
fn called(checker: &mut Checker, value: &mut Value, id: &str) {
    let Some(object) = value.as_object_mut() else { return };
    match object.get("id") {
        None => {
            object.insert("id".to_owned(), id.into());
        }
        Some(Value::String(other)) if other != id => {
            let problem = format!("is {other:?}, but it is to be kept as {id:?}; one of the two is wrong");
            checker.fault(Fault::OtherId, Place::default().field("id"), problem);
        }
        Some(_) => {}
    }
}

impl<T> Draft<T> {
    /// Checks it against what is kept. An error is one of the store's only.
    ///
    /// Plans it does not bring must be in the store, and lines it claims must be nobody else's. A document in the store
    /// that does not read is no objection: this may be what mends it, and the store has the last word.
    pub async fn against(mut self, directory: &dyn Directory) -> Result<Checked<T>, StoreError> {
        let (checker, names) = (&mut self.checker, &self.names);
        check_plans(checker, names, directory).await?;
        check_lines(checker, names, directory).await?;
        let Self { checker: Checker { mistakes, warnings }, value, .. } = self;
        Ok(Checked { right: value.filter(|_| mistakes.is_empty()), mistakes, warnings })
    }
}

async fn check_plans(
    checker: &mut Checker,
    names: &Names,
    directory: &dyn Directory,
) -> Result<(), StoreError> {
    let brought = |plan: &PlanId| names.plans.contains_key(plan);
    let wanted: Vec<_> = names.plans_wanted.iter().filter(|(_, plan)| !brought(plan)).collect();
    for some in wanted.chunks(ASKED_AT_ONCE) {
        let there = try_join_all(some.iter().map(|(_, plan)| has_plan(directory, plan))).await?;
        for ((at, plan), _) in some.iter().zip(there).filter(|(_, there)| !there) {
            let near = nearest(plan.as_str(), names.plans.keys().take(PLANS_COMPARED).map(PlanId::as_str));
            let problem = match near {
                Some(near) => format!("there is no plan {plan}; did you mean {near}?"),
                None => format!(
                    "the plan {plan} is neither here nor in the store; write it first, or bring it along in `plans`"
                ),
            };
            checker.mistake(at.clone(), problem);
        }
    }
    Ok(())
}

async fn check_lines(
    checker: &mut Checker,
    names: &Names,
    directory: &dyn Directory,
) -> Result<(), StoreError> {
    let lines: Vec<_> = names.lines.iter().collect();
    for some in lines.chunks(ASKED_AT_ONCE) {
        let owners = try_join_all(some.iter().map(|(line, _)| owner_of(directory, line))).await?;
        for ((line, at), owner) in some.iter().zip(owners) {
            let Some(owner) = owner.filter(|owner| !names.businesses.contains_key(&owner.id)) else {
                continue;
            };
            let (number, id, name) = (line.as_str(), &owner.id, &owner.name);
            let remedy = format!("take it from {id} first, or import both together");
            let problem = format!("{number} belongs to {id} ({name}) already; {remedy}");
            checker.fault(Fault::LineTaken, (*at).clone(), problem);
        }
    }
    Ok(())
}

/// Whether there is such a plan; one that does not read is there.
async fn has_plan(directory: &dyn Directory, plan: &PlanId) -> Result<bool, StoreError> {
    match directory.plan(plan).await {
        Ok(found) => Ok(found.is_some()),
        Err(StoreError::Unreadable { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whose line it is; one that does not read has no say.
async fn owner_of(directory: &dyn Directory, line: &PhoneNumber) -> Result<Option<Business>, StoreError> {
    match directory.business_by_line(line).await {
        Err(StoreError::Unreadable { .. }) => Ok(None),
        answer => answer,
    }
}

#[cfg(test)]
mod tests;
