//! Pages of a list: by number as ever, or by a cursor that stays where it is while reviews are added.

use crate::query::Query;
use crate::router::Read;
use chrono::DateTime;
use contract::{Cursor, CursorKey, Family, Problem};
use domain::{ProductId, Rating};
use postgres::retry_lost;
use primary::{ListQuery, Place, Sort, Start};
use service::HttpProblem;

/// Which page is asked for.
#[derive(Debug)]
pub(crate) struct Paging {
    pub(crate) sort: Sort,
    pub(crate) ratings: Vec<Rating>,
    pub(crate) start: Start,
    /// Number of the page, from 1, for the answer.
    pub(crate) page: i64,
    /// Rows before the page, for the answer.
    pub(crate) offset: i64,
}

/// Where the next page begins.
#[derive(Debug)]
pub(crate) struct After {
    pub(crate) product_id: ProductId,
    pub(crate) place: Place,
    pub(crate) offset: i64,
}

const SORTS: [(Sort, &str); 3] =
    [(Sort::Newest, "newest"), (Sort::Helpful, "helpful"), (Sort::Relevant, "relevant")];

/// Reads which page is asked for.
pub(crate) async fn paging(
    read: &Read,
    product_id: ProductId,
    query: Query<'_>,
    default: Sort,
    count: i64,
) -> Result<Paging, HttpProblem> {
    let (sort, ratings) = (query.sort(), query.ratings()?);
    let Some(text) = query.text("cursor") else {
        let page = query.page()?;
        let offset = (page - 1).saturating_mul(count);
        let sort = sort.unwrap_or(default);
        return Ok(Paging {
            sort,
            ratings: ratings.unwrap_or_default(),
            start: Start::Offset(offset),
            page,
            offset,
        });
    };
    if query.text("page").is_some() {
        return Err(
            Problem::unprocessable("page and cursor exclude each other; a cursor is a page already").into()
        );
    }
    let cursor = key(read).await?.read(&text);
    let of_list = cursor
        .ok()
        .filter(|cursor| cursor.product_id == product_id)
        .and_then(|cursor| resume(&cursor, count));
    let of_list = of_list.filter(|paging| {
        sort.is_none_or(|sort| sort == paging.sort)
            && ratings.is_none_or(|ratings| star_bits(&ratings) == star_bits(&paging.ratings))
    });
    of_list.ok_or_else(|| {
        Problem::unprocessable(
            "cursor must be one that a Link of this list gave, with the same sort and rating",
        )
        .into()
    })
}

fn resume(cursor: &Cursor, count: i64) -> Option<Paging> {
    let (sort, _) = *SORTS.get(usize::from(cursor.sort))?;
    let stars = (1..=5).filter(|stars| cursor.ratings & (1 << (stars - 1)) != 0);
    let place = Place {
        rank: cursor.rank,
        date: DateTime::from_timestamp_micros(cursor.date_us)?,
        review_id: cursor.review_id.try_into().ok()?,
    };
    Some(Paging {
        sort,
        ratings: stars.map(Rating::try_from).collect::<Result<_, _>>().ok()?,
        start: Start::After(place),
        page: cursor.offset.checked_div(count).unwrap_or(0).saturating_add(1),
        offset: cursor.offset,
    })
}

/// A bit for each number of stars.
pub(crate) fn star_bits(ratings: &[Rating]) -> u8 {
    ratings.iter().fold(0, |bits, rating| bits | 1 << rating.index())
}

/// The `Link` to the next page.
pub(crate) async fn next_link(
    read: &Read,
    family: Family,
    list: &ListQuery,
    after: &After,
) -> Result<String, HttpProblem> {
    let number = SORTS.iter().position(|(sort, _)| *sort == list.sort).unwrap_or_default();
    let After { product_id, place, offset } = *after;
    let cursor = Cursor {
        product_id,
        sort: u8::try_from(number).unwrap_or_default(),
        ratings: star_bits(&list.ratings),
        offset,
        rank: place.rank,
        date_us: place.date.timestamp_micros(),
        review_id: place.review_id.get(),
    };
    let cursor = key(read).await?.write(&cursor);
    let mut target = match family {
        Family::One => format!("/reviews/{product_id}/list?"),
        Family::Two | Family::Transition => format!("/reviews?product_id={product_id}&"),
    };
    target.push_str(&format!("sort={}&count={}", SORTS[number].1, list.count));
    if !list.ratings.is_empty() {
        let stars: Vec<String> = list.ratings.iter().map(|rating| rating.get().to_string()).collect();
        target.push_str(&format!("&rating={}", stars.join(",")));
    }
    if list.total {
        target.push_str("&total=true");
    }
    Ok(format!("<{target}&cursor={cursor}>; rel=\"next\""))
}

/// The key of all cursors, asked of the primary once.
async fn key(read: &Read) -> Result<&CursorKey, HttpProblem> {
    let ask = || async {
        let key = retry_lost(|| read.primary.on(async |primary| primary::cursor_key(primary).await)).await?;
        let key: [u8; 32] = key.try_into().map_err(|_| {
            tracing::error!("the key of cursors is not 32 bytes long");
            HttpProblem(Problem::internal())
        })?;
        Ok(CursorKey::new(key))
    };
    read.cursor_key.get_or_try_init(ask).await
}
