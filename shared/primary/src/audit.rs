//! Who did what with the data of a person.

use domain::ReviewId;
use sqlx::PgPool;
use std::fmt;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditAction {
    /// Reviews were erased.
    Erase,
    /// What is held was given out.
    Export,
}

/// A run that leaves a row. The address is kept as a hash only.
#[derive(Clone, Copy)]
pub struct Audit<'a> {
    /// What is done.
    pub action: AuditAction,
    /// The reviews that were named or found.
    pub reviews: &'a [ReviewId],
    /// The address that was asked for.
    pub email: Option<&'a str>,
    /// Who runs it, by the operating system.
    pub os_user: &'a str,
}

/// Without the address, which belongs into no log.
impl fmt::Debug for Audit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut audit = f.debug_struct("Audit");
        audit.field("action", &self.action).field("reviews", &self.reviews).finish_non_exhaustive()
    }
}

/// Writes down what is about to be done: before it, so that nothing is done without a row.
///
/// # Errors
/// When the database cannot be reached.
pub async fn record_audit(pool: &PgPool, audit: Audit<'_>) -> Result<(), sqlx::Error> {
    let action = match audit.action {
        AuditAction::Erase => "erase",
        AuditAction::Export => "export",
    };
    let ids: Vec<i64> = audit.reviews.iter().map(|id| id.get()).collect();
    sqlx::query!(
        r"-- audit.record
        INSERT INTO audit (action, review_ids, subject, os_user)
        VALUES ($1, $2, encode(sha256(convert_to(lower(btrim($3, E' \t\r\n')), 'UTF8')), 'hex'), $4)",
        action,
        &ids,
        audit.email,
        audit.os_user,
    )
    .execute(pool)
    .await?;
    Ok(())
}
