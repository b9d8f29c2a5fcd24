//! What writers and the projector do.

use crate::history::{History, PRODUCTS};
use domain::{LinkedEvent, Part, Position, ReviewId, log_parts};
use primary::{LogRange, VoteKind, pull_events, sequence_events};
use projection::{Batch, MetaConnection, project};
use sqlx::PgPool;
use testkit::{new_review, post, product, vote};

impl History {
    pub(crate) async fn command(&mut self) {
        let id = self.dice.pick(&PRODUCTS).unwrap();
        let old = self.dice.pick(&self.reviews);
        match (self.dice.below(20), old) {
            (0, _) => self.poison(id).await,
            (1, Some(review)) => {
                primary::erase_review(&self.primary.pool, review, uuid::Uuid::now_v7()).await.unwrap();
                self.reviews.retain(|other| *other != review);
                self.happened("a review was erased");
                if self.is_given_up(review).await {
                    self.happened("a review was erased whose posting was given up");
                }
            }
            (2..=4, Some(review)) => drop(vote(&self.write, review, VoteKind::Helpful).await),
            (5, Some(review)) => drop(vote(&self.write, review, VoteKind::Report).await),
            (6, _) if self.dice.one_in(2) => {
                let review_id = self.post(id).await;
                self.spoil(review_id).await;
            }
            _ => drop(self.post(id).await),
        }
    }

    async fn post(&mut self, id: i64) -> ReviewId {
        let mut review = new_review(self.dice.below(5) + 1);
        let value = self.dice.below(5) + 1;
        review.characteristics = vec![((id * 10).try_into().unwrap(), value.try_into().unwrap(), "".into())];
        let review_id = post(&self.write, product(id), &review).await.review_id;
        self.reviews.push(review_id);
        review_id
    }

    /// Makes the event that added a review unreadable, if it has no position yet: as a later version might have written
    /// it.
    async fn spoil(&mut self, review_id: ReviewId) {
        let spoilt = sqlx::query(
            "UPDATE outbox SET type = 'ReviewPosted.v9'
             WHERE type = 'ReviewPosted.v1' AND (payload ->> 'review_id')::bigint = $1",
        );
        let spoilt = spoilt.bind(review_id.get()).execute(&self.primary.pool).await.unwrap();
        assert_eq!(spoilt.rows_affected(), 1, "only steps give positions");
        self.happened("a review was added by an event that cannot be read");
    }

    async fn is_given_up(&self, review_id: ReviewId) -> bool {
        let given_up = sqlx::query_scalar("SELECT EXISTS (SELECT FROM discarded_event WHERE review_id = $1)");
        given_up.bind(review_id.get()).fetch_one(&self.meta.pool).await.unwrap()
    }

    /// Appends an event that cannot be applied, in the way of a write.
    async fn poison(&mut self, id: i64) {
        let unstorable = r#"{"characteristics":[{"id":999,"name":"a\u0000b"}]}"#;
        let foreign = r#"{"review_id":1,"rating":5,"recommend":true,"characteristics":{"999":5}}"#;
        let kinds = [
            ("ReviewPraised.v1", "{}"),
            ("ReviewPosted.v1", "[]"),
            ("ReviewPosted.v1", foreign),
            ("CharacteristicsDefined.v1", unstorable),
        ];
        let (event_type, payload) = self.dice.pick(&kinds).unwrap();
        sqlx::query(
            "WITH s AS (UPDATE product_stream SET version = version + 1 WHERE part = $1 % 64 AND product_id = $1
                        RETURNING version)
             INSERT INTO outbox (part, product_id, version, event_id, type, payload)
             SELECT $1 % 64, $1, version, gen_random_uuid(), $2, $3::json FROM s",
        )
        .bind(id)
        .bind(event_type)
        .bind(payload)
        .execute(&self.primary.pool)
        .await
        .unwrap();
        self.happened("an event was written that cannot be applied");
    }

    pub(crate) async fn sequence(&self) {
        let mut connection = self.write.acquire().await.unwrap();
        sequence_events(&mut connection).await.unwrap();
    }

    /// A message: some events after any place of a part, whether they came before or are far ahead.
    pub(crate) async fn message(&mut self) {
        let Some(part) = self.dice.pick(&PRODUCTS).map(|id| product(id).part()) else { return };
        let head = self.head(part).await;
        let after = Position(self.dice.below(head.0 + 1));
        let range = LogRange { part, after, events_max: self.dice.below(12) + 1 };
        let pulled = pull_events(&self.log, &[range]).await.unwrap();
        let mut previous = pulled.before.first().map(|(.., id)| *id);
        let linked = |event: domain::LogEvent| {
            let before = previous.replace(event.event_id);
            LinkedEvent { event, previous: before }
        };
        let mut batch = Batch::default();
        batch.add(Some(pulled.epoch), pulled.events.into_iter().map(linked).collect());
        project(&self.log, &self.folding, &batch).await.unwrap();
    }

    async fn head(&self, part: Part) -> Position {
        primary::log_heads(&self.log).await.unwrap()[part.index()]
    }

    /// The projector pulls what is missing of some parts.
    pub(crate) async fn look(&mut self) {
        let some = self.dice.below(4);
        let parts: Vec<Part> = PRODUCTS.iter().map(|id| product(*id).part()).collect();
        pull(&self.log, &self.folding, |part| parts.contains(&part) && i64::from(part.get()) % 4 != some)
            .await;
    }
}

/// Pulls what is missing of the parts.
pub(crate) async fn pull(log: &PgPool, folding: &MetaConnection, parts: impl Fn(Part) -> bool) {
    let heads = primary::log_heads(log).await.unwrap();
    let mut batch = Batch::default();
    log_parts().filter(|part| parts(*part)).for_each(|part| batch.ask(part, heads[part.index()]));
    project(log, folding, &batch).await.unwrap();
}
