//! Counting a vote, and taking it back. No statement here may touch more than one review: should two
//! have the same id, the sub-select that finds it fails and nothing is counted.

use crate::command::{Age, Command, Outcome, Reached, carry_out, reached};
use crate::stream::product_reached;
use domain::ReviewId;
use sqlx::PgPool;

/// What a vote says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoteKind {
    /// The review helped.
    Helpful,
    /// The review should not be listed.
    Report,
}

impl VoteKind {
    const fn name(self) -> &'static str {
        match self {
            VoteKind::Helpful => "helpful",
            VoteKind::Report => "report",
        }
    }
}

/// A vote, or one that is taken back.
#[derive(Debug, Clone, Copy)]
pub struct Vote<'a> {
    /// The review.
    pub review_id: ReviewId,
    /// What it says.
    pub kind: VoteKind,
    /// Who votes, 1 to 64 characters: counts once. Without it every vote counts.
    pub visitor: Option<&'a str>,
    /// The visitor's vote is taken back.
    pub take_back: bool,
    /// Number of reports that hide a review.
    pub report_threshold: i32,
}

impl Vote<'_> {
    const fn event_type(&self) -> &'static str {
        match (self.kind, self.take_back) {
            (VoteKind::Helpful, false) => "ReviewMarkedHelpful.v1",
            (VoteKind::Report, false) => "ReviewReported.v1",
            (VoteKind::Helpful, true) => "ReviewHelpfulTakenBack.v1",
            (VoteKind::Report, true) => "ReviewReportTakenBack.v1",
        }
    }
}

/// Counts a vote or takes it back; `None` when there is no such review, or it was erased. [`Outcome::Before`] when the
/// visitor's vote stands already, or there is none to take back.
///
/// Keys work as in [`post_review`](crate::post_review()).
///
/// # Errors
/// When the database cannot be reached.
pub async fn vote(
    pool: &PgPool,
    vote: &Vote<'_>,
    command: &Command<'_>,
) -> Result<Option<Outcome<Reached>>, sqlx::Error> {
    let key = command.key;
    let row = carry_out(|| {
        sqlx::query!(
            r#"-- reviews.vote
            WITH lock AS MATERIALIZED (
                SELECT $9::text IS NULL
                    OR pg_try_advisory_xact_lock(hashtextextended($2::text || ' ' || $1::bigint || ' ' || $9::text, 0)) AS got
            ),
            target AS MATERIALIZED (
                SELECT part, review_id, product_id FROM reviews WHERE review_id = $1 AND erased_at IS NULL
            ),
            before AS MATERIALIZED (
                SELECT i.request, i.version,
                       i.expires_at > now() + interval '24 hours' - interval '5 seconds' AS recent
                FROM target t
                JOIN idempotency i ON i.part = t.part AND i.operation = $2 AND i.subject = $1 AND i.key = $9
                WHERE i.expires_at > now()
            ),
            free AS MATERIALIZED (
                SELECT t.part, t.review_id FROM lock l CROSS JOIN target t
                WHERE l.got AND NOT EXISTS (SELECT FROM before)
            ),
            given AS (
                INSERT INTO votes (part, review_id, kind, visitor)
                SELECT part, review_id, $2, $4 FROM free WHERE $4::text IS NOT NULL AND NOT $3
                ON CONFLICT DO NOTHING
                RETURNING part, review_id
            ),
            taken_back AS (
                DELETE FROM votes v USING free f
                WHERE $3 AND v.part = f.part AND v.review_id = f.review_id AND v.kind = $2 AND v.visitor = $4
                RETURNING v.part, v.review_id
            ),
            counts AS (
                SELECT part, review_id FROM free WHERE $4 IS NULL AND NOT $3
                UNION ALL SELECT part, review_id FROM given
                UNION ALL SELECT part, review_id FROM taken_back
            ),
            voted AS (
                UPDATE reviews r
                SET helpfulness = CASE
                        -- Null, which the column refuses, when the review was erased while its row was waited
                        -- for: the visitor's id must not stay either.
                        WHEN r.erased_at IS NOT NULL THEN NULL
                        WHEN $2 <> 'helpful' THEN r.helpfulness
                        WHEN $3 THEN greatest(r.helpfulness, 1) - 1
                        ELSE least(r.helpfulness, 2147483645) + 1 END,
                    reports = CASE
                        WHEN $2 <> 'report' THEN r.reports
                        WHEN $3 THEN greatest(r.reports, 1) - 1
                        ELSE least(r.reports, 2147483646) + 1 END,
                    hidden_by_reports = CASE
                        WHEN $2 <> 'report' THEN r.hidden_by_reports
                        WHEN $3 THEN greatest(r.reports, 1) - 1 >= $5
                        ELSE r.hidden_by_reports OR least(r.reports, 2147483646) + 1 >= $5 END
                WHERE (r.part, r.review_id) = (SELECT part, review_id FROM counts)
                RETURNING r.part, r.product_id, r.review_id
            ),
            stream AS (
                INSERT INTO product_stream AS s (part, product_id, version)
                SELECT part, product_id, 1 FROM voted
                ON CONFLICT (part, product_id) DO UPDATE SET version = s.version + 1
                RETURNING version
            ),
            event AS (
                INSERT INTO outbox (part, product_id, version, event_id, type, payload, traceparent)
                SELECT v.part, v.product_id, s.version, $6, $7, json_build_object('review_id', v.review_id), $8
                FROM voted v CROSS JOIN stream s
                RETURNING version
            ),
            kept AS (
                INSERT INTO idempotency AS i (part, operation, subject, key, request, review_id, version, taken, expires_at)
                SELECT f.part, $2, f.review_id, $9, $10, f.review_id,
                       coalesce((SELECT version FROM stream), p.version, 0), '{}', now() + interval '24 hours'
                FROM free f
                JOIN target t ON true
                LEFT JOIN product_stream p ON p.part = t.part AND p.product_id = t.product_id
                WHERE $9 IS NOT NULL
                ON CONFLICT ON CONSTRAINT idempotency_pkey DO UPDATE SET
                    request = excluded.request, review_id = excluded.review_id, version = excluded.version,
                    taken = excluded.taken,
                    expires_at = CASE WHEN i.expires_at <= now() THEN excluded.expires_at END
            )
            SELECT i.epoch AS "epoch!", t.product_id AS "product_id!", l.got AS "got!", e.version AS "version?",
                   b.request AS "before_request?", b.version AS "before_version?",
                   b.recent AS "before_recent?"
            FROM log_identity i CROSS JOIN lock l CROSS JOIN target t
            LEFT JOIN before b ON true LEFT JOIN event e ON true"#,
            vote.review_id.get(),
            vote.kind.name(),
            vote.take_back,
            vote.visitor,
            vote.report_threshold,
            command.event_id,
            vote.event_type(),
            command.traceparent,
            key.map(|key| key.key),
            key.as_ref().map(|key| key.request.as_slice()),
        )
        .fetch_optional(pool)
    })
    .await?;
    let Some(row) = row else { return Ok(None) };
    let at = |version| reached(row.epoch, row.product_id, version);
    Ok(Some(match (row.version, row.before_version) {
        (Some(version), _) => Outcome::Done(at(version)?),
        (None, Some(_))
            if row.before_request.as_deref() != key.as_ref().map(|key| key.request.as_slice()) =>
        {
            Outcome::KeyTaken
        }
        (None, Some(version)) => {
            Outcome::Before(at(version)?, Age::of(row.before_recent.unwrap_or_default()))
        }
        (None, None) if !row.got => Outcome::UnderWay,
        // A vote that stands changed nothing now. The statement may have waited for a twin, and saw the
        // product as it was before.
        (None, None) => Outcome::Before(product_reached(pool, at(0)?.product_id).await?, Age::Old),
    }))
}
