//! `reviewsctl parked list`.

use super::letters::{LettersJson, found, tell_letters};
use super::{PARKED_PRODUCTS_MAX, ParkingJson, active, parked, parking_line};
use crate::config::Config;
use crate::say;
use crate::stores::Named;
use broker::DeadLetters;
use domain::ProductId;
use meta::ParkedProduct;
use replay::counted;
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// What stands still, and the dead letters.
struct Listed {
    active: i32,
    parked: Vec<ParkedProduct>,
    /// Or why the broker could not be asked.
    letters: Result<DeadLetters, String>,
}

/// The same for programs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ParkedAndDead)]
pub(crate) struct ListedJson {
    /// Products that stand still, the longest first.
    products: Vec<ParkingJson>,
    dead_letters: LettersOrAway,
}

/// The dead letters, or why the broker could not be asked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = DeadLettersOrAway)]
enum LettersOrAway {
    Are(LettersJson),
    Away { away: String },
}

impl From<Listed> for ListedJson {
    fn from(listed: Listed) -> Self {
        ListedJson {
            products: ParkingJson::all(&listed.parked, listed.active),
            dead_letters: match listed.letters {
                Ok(letters) => LettersOrAway::Are(LettersJson::from(&letters)),
                Err(away) => LettersOrAway::Away { away },
            },
        }
    }
}

async fn look(config: &Config) -> anyhow::Result<Listed> {
    let named = Named::new(config)?;
    let active = active(&named).await?;
    let parked = parked(&named, None).await?;
    let letters = found(config).await.map_err(|error| format!("{error:#}"));
    Ok(Listed { active, parked, letters })
}

/// What stands still, for programs.
pub(crate) async fn listed(config: &Config) -> anyhow::Result<ListedJson> {
    look(config).await.map(ListedJson::from)
}

/// Shows what stands still. Returns whether the broker could be asked too.
pub(super) async fn run(json: bool, config: &Config) -> anyhow::Result<bool> {
    let listed = look(config).await?;
    let all = listed.letters.is_ok();
    if json {
        say::result(serde_json::to_string_pretty(&ListedJson::from(listed))?)?;
    } else {
        tell_parked(&listed.parked, listed.active)?;
        tell_letters(&listed.letters)?;
    }
    Ok(all)
}

fn tell_parked(parked: &[ParkedProduct], active: i32) -> anyhow::Result<()> {
    let more = i64::try_from(parked.len()).is_ok_and(|lines| lines >= PARKED_PRODUCTS_MAX);
    let more = if more { " or more" } else { "" };
    // A product may stand still in several generations, each with a line of its own.
    let products: BTreeSet<ProductId> = parked.iter().map(|parked| parked.product_id).collect();
    say::result(format_args!("parked      {}{more}", counted(products.len(), "product")))?;
    for parked in parked {
        say::result(format_args!("{:<12}{}", "", parking_line(parked, active)))?;
    }
    if !parked.is_empty() {
        say::result(
            "mend        `reviewsctl parked show PRODUCT` says more; when the cause is gone, `reviewsctl parked redrive \
             --all`; if it never will be, `reviewsctl parked discard PRODUCT`",
        )?;
    }
    Ok(())
}
