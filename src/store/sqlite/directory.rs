//! Businesses, lines and plans in SQLite.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Sqlite, Writing, bad_id, failed, more_than, page};
use crate::domain::{Business, BusinessId, BusinessImport, PhoneNumber, Plan, PlanId};
use crate::store::document;
use crate::store::{Directory, Listing, StoreError};

#[async_trait]
impl Directory for Sqlite {
    async fn business(&self, id: &BusinessId) -> Result<Option<Business>, StoreError> {
        let found: Option<String> = sqlx::query_scalar("select document from businesses where id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed("look up a business"))?;
        found.map(|text| document::read(&text, || business_path(id.as_str()))).transpose()
    }

    async fn business_by_line(&self, line: &PhoneNumber) -> Result<Option<Business>, StoreError> {
        let found: Option<(String, String)> = sqlx::query_as(
            "select b.id, b.document from lines l join businesses b on b.id = l.business where l.line = ?",
        )
        .bind(line.as_str())
        .fetch_optional(&self.readers)
        .await
        .map_err(failed("look up a business by its line"))?;
        found.map(|(id, text)| document::read(&text, || business_path(&id))).transpose()
    }

    async fn plan(&self, id: &PlanId) -> Result<Option<Plan>, StoreError> {
        let found: Option<String> = sqlx::query_scalar("select document from plans where id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed("look up a plan"))?;
        found.map(|text| document::read(&text, || plan_path(id.as_str()))).transpose()
    }

    async fn businesses(
        &self,
        after: Option<&BusinessId>,
        most: u32,
    ) -> Result<Listing<Business, BusinessId>, StoreError> {
        const DOING: &str = "list the businesses";
        let rows: Vec<(String, String)> =
            sqlx::query_as("select id, document from businesses where id > ? order by id limit ?")
                .bind(after.map_or("", BusinessId::as_str))
                .bind(more_than(most))
                .fetch_all(&self.readers)
                .await
                .map_err(failed(DOING))?;
        page(
            rows,
            most,
            |(id, text)| document::read(&text, || business_path(&id)),
            |(id, _)| BusinessId::parse(id).map_err(bad_id(DOING)),
        )
    }

    async fn plans(&self, after: Option<&PlanId>, most: u32) -> Result<Listing<Plan, PlanId>, StoreError> {
        const DOING: &str = "list the plans";
        let rows: Vec<(String, String)> =
            sqlx::query_as("select id, document from plans where id > ? order by id limit ?")
                .bind(after.map_or("", PlanId::as_str))
                .bind(more_than(most))
                .fetch_all(&self.readers)
                .await
                .map_err(failed(DOING))?;
        page(
            rows,
            most,
            |(id, text)| document::read(&text, || plan_path(&id)),
            |(id, _)| PlanId::parse(id).map_err(bad_id(DOING)),
        )
    }

    async fn import(&self, import: &BusinessImport) -> Result<(), StoreError> {
        let businesses: BTreeMap<_, _> = import.businesses.iter().map(|one| (&one.id, one)).collect();
        let mut change = self.change(IMPORT).await?;
        for plan in &import.plans {
            put_plan(&mut change, plan).await?;
        }
        // Every business of the import gives up its lines before one takes any, so that they can be exchanged.
        for business in businesses.values() {
            put_business(&mut change, business).await?;
        }
        for business in businesses.values() {
            for line in &business.lines {
                put_line(&mut change, business, line).await?;
            }
        }
        change.commit().await.map_err(failed(IMPORT))
    }

    async fn remove_business(&self, id: &BusinessId) -> Result<bool, StoreError> {
        let removed = sqlx::query("delete from businesses where id = ?")
            .bind(id.as_str())
            .execute(&self.writer)
            .await
            .map_err(failed("take a business away"))?;
        Ok(removed.rows_affected() > 0)
    }

    async fn remove_plan(&self, id: &PlanId) -> Result<bool, StoreError> {
        const DOING: &str = "take a plan away";
        let mut change = self.change(DOING).await?;
        let owner: Option<String> =
            sqlx::query_scalar("select id from businesses where plan = ? order by id limit 1")
                .bind(id.as_str())
                .fetch_optional(&mut *change)
                .await
                .map_err(failed(DOING))?;
        if let Some(owner) = owner {
            let business = BusinessId::parse(&owner).map_err(bad_id(DOING))?;
            return Err(StoreError::PlanInUse { plan: id.clone(), business });
        }
        let removed = sqlx::query("delete from plans where id = ?")
            .bind(id.as_str())
            .execute(&mut *change)
            .await
            .map_err(failed(DOING))?;
        change.commit().await.map_err(failed(DOING))?;
        Ok(removed.rows_affected() > 0)
    }
}

const IMPORT: &str = "import businesses and plans";

async fn put_plan(change: &mut Writing, plan: &Plan) -> Result<(), StoreError> {
    sqlx::query(
        "insert into plans (id, document) values (?, ?)
         on conflict (id) do update set document = excluded.document",
    )
    .bind(plan.id.as_str())
    .bind(document::write(plan, IMPORT)?)
    .execute(&mut **change)
    .await
    .map_err(failed(IMPORT))?;
    Ok(())
}

async fn put_business(change: &mut Writing, business: &Business) -> Result<(), StoreError> {
    let plan: Option<i64> = sqlx::query_scalar("select 1 from plans where id = ?")
        .bind(business.plan.as_str())
        .fetch_optional(&mut **change)
        .await
        .map_err(failed(IMPORT))?;
    if plan.is_none() {
        return Err(StoreError::UnknownPlan { business: business.id.clone(), plan: business.plan.clone() });
    }
    sqlx::query(
        "insert into businesses (id, plan, document) values (?, ?, ?)
         on conflict (id) do update set plan = excluded.plan, document = excluded.document",
    )
    .bind(business.id.as_str())
    .bind(business.plan.as_str())
    .bind(document::write(business, IMPORT)?)
    .execute(&mut **change)
    .await
    .map_err(failed(IMPORT))?;
    sqlx::query("delete from lines where business = ?")
        .bind(business.id.as_str())
        .execute(&mut **change)
        .await
        .map_err(failed(IMPORT))?;
    Ok(())
}

async fn put_line(change: &mut Writing, business: &Business, line: &PhoneNumber) -> Result<(), StoreError> {
    // The update changes nothing; it is there because `returning` says nothing about a row that was left alone.
    let owner: String = sqlx::query_scalar(
        "insert into lines (line, business) values (?, ?)
         on conflict (line) do update set business = lines.business returning business",
    )
    .bind(line.as_str())
    .bind(business.id.as_str())
    .fetch_one(&mut **change)
    .await
    .map_err(failed(IMPORT))?;
    if owner == business.id.as_str() {
        return Ok(());
    }
    let owner = BusinessId::parse(&owner).map_err(bad_id(IMPORT))?;
    Err(StoreError::LineTaken { line: line.clone(), owner, claimant: business.id.clone() })
}

fn business_path(id: &str) -> String {
    format!("businesses/{id}")
}

fn plan_path(id: &str) -> String {
    format!("plans/{id}")
}
