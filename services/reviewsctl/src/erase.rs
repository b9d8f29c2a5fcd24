//! `reviewsctl erase`: takes reviews out for good, by their ids or by the address that they came with.

use crate::config::Config;
use crate::fault::Fault;
use crate::person::{Address, Primary};
use crate::{progress, say};
use anyhow::bail;
use domain::ReviewId;
use primary::{AuditAction, Erased, erase_review};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::io::IsTerminal as _;
use utoipa::ToSchema;
use uuid::Uuid;

/// Arguments of `reviewsctl erase`.
#[derive(Debug, clap::Args)]
pub(crate) struct EraseArgs {
    #[command(flatten)]
    whose: Whose,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which reviews.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// Erase this review; may be given several times
    #[arg(long, value_name = "ID")]
    review: Vec<ReviewId>,
    /// Erase every review that came with this e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<Address>,
}

/// What became of a review.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErasedReview)]
pub(crate) struct Line {
    review_id: i64,
    /// `erased`, `before` when it was erased earlier, or `unknown`.
    outcome: &'static str,
    /// Only of one that was erased now, as is the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    product_id: Option<i64>,
    /// Of the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i64>,
}

/// What became of all of them.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Erasure)]
pub(crate) struct Report {
    reviews: Vec<Line>,
    erased: u64,
    before: u64,
    unknown: u64,
}

/// Erases, says what was done, and returns whether every review is known.
pub(crate) async fn run(args: &EraseArgs, config: &Config) -> anyhow::Result<bool> {
    let asks = !args.yes;
    if asks && !std::io::stdin().is_terminal() {
        bail!("erasing cannot be undone, and nobody can be asked here: run it again with --yes");
    }
    let primary = Primary::new(config)?;
    let email = args.whose.email.as_ref();
    let reviews = match email {
        Some(email) => {
            let bar = progress::spinner("looking through the reviews");
            primary.reviews_of(email, &bar).await?
        }
        None => distinct(&args.whose.review),
    };
    if asks && !reviews.is_empty() && !confirmed(&reviews).await? {
        bail!("nothing was erased");
    }
    let tell = |line: &Line| if args.json { Ok(()) } else { say::result(line) };
    let report = erase(&primary, &reviews, email, tell).await?;
    say::result(if args.json { serde_json::to_string_pretty(&report)? } else { report.to_string() })?;
    Ok(report.unknown == 0)
}

/// Writes down what is about to be done, then erases one review after the other, and tells of each.
pub(crate) async fn erase(
    primary: &Primary,
    reviews: &[ReviewId],
    email: Option<&Address>,
    tell: impl Fn(&Line) -> anyhow::Result<()>,
) -> anyhow::Result<Report> {
    primary.record(AuditAction::Erase, reviews, email).await?;
    let mut report = Report::default();
    for (number, id) in reviews.iter().enumerate() {
        let erased = match erase_review(&primary.pool, *id, Uuid::now_v7()).await {
            Ok(erased) => erased,
            Err(error) => {
                let error = primary.failed(error, format!("cannot erase review {id}")).await;
                let all = reviews.len();
                bail!(Fault::Away(format!("{error:#}; {number} of {all} reviews were done before")));
            }
        };
        tell(report.add(*id, erased))?;
    }
    Ok(report)
}

/// Each id once, in the order in which they were given.
pub(crate) fn distinct(reviews: &[ReviewId]) -> Vec<ReviewId> {
    let mut seen = BTreeSet::new();
    reviews.iter().copied().filter(|id| seen.insert(*id)).collect()
}

/// Asks on the terminal.
async fn confirmed(reviews: &[ReviewId]) -> anyhow::Result<bool> {
    for id in reviews {
        say::note(format_args!("review {id}"));
    }
    let what = if reviews.len() == 1 { "this review" } else { "these reviews" };
    say::confirmed(format_args!("Erase {what} for good? This cannot be undone. Type yes:")).await
}

impl Report {
    fn add(&mut self, id: ReviewId, erased: Erased) -> &Line {
        let (outcome, count, reached) = match erased {
            Erased::Done(reached) => ("erased", &mut self.erased, Some(reached)),
            Erased::Before => ("before", &mut self.before, None),
            Erased::Unknown => ("unknown", &mut self.unknown, None),
        };
        *count += 1;
        let at = self.reviews.len();
        self.reviews.push(Line {
            review_id: id.get(),
            outcome,
            product_id: reached.map(|reached| reached.product_id.get()),
            version: reached.map(|reached| reached.version.0),
        });
        &self.reviews[at]
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { review_id, outcome, product_id, version } = self;
        match (product_id, version) {
            (Some(product), Some(version)) => {
                write!(f, "review {review_id}: erased; product {product} is at version {version}")
            }
            _ if *outcome == "before" => write!(f, "review {review_id}: was erased before"),
            _ => write!(f, "review {review_id}: there is no such review"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { erased, before, unknown, .. } = self;
        write!(f, "{erased} erased, {before} erased before, {unknown} unknown")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_given_twice_counts_once() {
        let ids: Vec<ReviewId> = [3, 1, 3, 1].map(|id| id.try_into().unwrap()).into();
        assert_eq!(distinct(&ids).iter().map(|id| id.get()).collect::<Vec<_>>(), [3, 1]);
    }
}
