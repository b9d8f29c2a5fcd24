//! `reviewsctl serve` as a process, asked over HTTP, on real databases in which a projector is played.

use super::stores::{NO_BROKER, databases};
use super::{reviewsctl, url};
use domain::log_parts;
use primary::sequence_events;
use projection::{Batch, MetaConnection, project};
use reqwest::{Client, Method, RequestBuilder};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::{TestDatabase, define_characteristics, eventually, new_review, post, product};

pub(crate) const TOKEN: &str = "the-token-of-a-test-which-is-long-enough";
/// Products with reviews.
pub(crate) const PRODUCTS: i64 = 10;

/// Both databases.
pub(crate) struct World {
    pub(crate) primary: TestDatabase,
    pub(crate) meta: TestDatabase,
    pub(crate) broker: String,
    folding: MetaConnection,
}

impl World {
    /// With ten products, whose events are all folded.
    pub(crate) async fn new() -> Self {
        let (primary, meta) = databases().await;
        let folding = MetaConnection::of(&meta.pool_of("reviews_projector"));
        let world = World { primary, meta, broker: NO_BROKER.to_owned(), folding };
        for id in 1..=PRODUCTS {
            define_characteristics(&world.primary.pool, product(id), &[(id, "Fit")]).await;
            world.post(id).await;
        }
        world.catch_up().await;
        world
    }

    /// Posts a review; returns its id.
    pub(crate) async fn post(&self, id: i64) -> i64 {
        let mut review = new_review(4);
        review.characteristics = vec![(id.try_into().unwrap(), 5.try_into().unwrap(), "Fit".into())];
        post(&self.primary.pool, product(id), &review).await.review_id.get()
    }

    /// Gives positions, and folds all there is, as the relay and the projector do.
    pub(crate) async fn catch_up(&self) {
        let mut connection = self.primary.pool.acquire().await.unwrap();
        while !sequence_events(&mut connection).await.unwrap().is_empty() {}
        let heads = primary::log_heads(&self.primary.pool).await.unwrap();
        let mut batch = Batch::default();
        log_parts().for_each(|part| batch.ask(part, heads[part.index()]));
        while project(&self.primary.pool, &self.folding, &batch).await.unwrap().events > 0 {}
    }

    /// Appends an event that nobody can read, in the way of a write.
    pub(crate) async fn poison(&self, product_id: i64) {
        sqlx::query(
            "WITH s AS (UPDATE product_stream SET version = version + 1 WHERE part = $1 % 64 AND product_id = $1
                        RETURNING version)
             INSERT INTO outbox (part, product_id, version, event_id, type, payload)
             SELECT $1 % 64, $1, version, gen_random_uuid(), 'ReviewPraised.v1', '{}'::json FROM s",
        )
        .bind(product_id)
        .execute(&self.primary.pool)
        .await
        .unwrap();
        self.catch_up().await;
    }

    /// Somebody's hand in meta.
    pub(crate) async fn damage(&self, product_id: i64) {
        let damage = "UPDATE product_meta SET rating_1 = rating_1 + 1 WHERE product_id = $1";
        sqlx::query(damage).bind(product_id).execute(&self.meta.pool).await.unwrap();
    }

    pub(crate) async fn active(&self) -> i32 {
        let active = sqlx::query_scalar("SELECT generation FROM active_generation");
        active.fetch_one(&self.meta.pool).await.unwrap()
    }

    /// The server, on a port of its own.
    pub(crate) async fn serve(&self) -> Server {
        Server::start(self.command()).await
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = reviewsctl();
        command.env("PRIMARY_URL", url(&self.primary)).env("META_URL", url(&self.meta));
        command.env("BROKER_URL", &self.broker).env("LOG", "info,sqlx=off,lapin=off").arg("serve");
        command.env("ADMIN_LISTEN", "127.0.0.1:0").env("ADMIN_TOKEN", TOKEN);
        command
    }
}

/// A running server. Ends when it is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
    log: Arc<Mutex<Vec<String>>>,
    client: Client,
}

impl Server {
    pub(crate) async fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = log.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        let address = eventually("the server listens", || async {
            let log = log.lock().unwrap();
            let line = log.iter().find(|line| line.contains(" listening "))?;
            Some(line.rsplit_once("listen=")?.1.to_owned())
        })
        .await;
        let client = Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        Server { child, address, log, client }
    }

    /// A request without a token.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(TOKEN)
    }

    /// Status and body of an answer.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = self.request(method, path);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        answer(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub(crate) async fn post(&self, path: &str, body: Option<Value>) -> (u16, Value) {
        self.ask(Method::POST, path, body).await
    }

    /// Everything that it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) async fn terminate(mut self) -> ExitStatus {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        eventually("the server ends", || {
            let ended = self.child.try_wait().unwrap();
            async move { ended }
        })
        .await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and body, null where there is none.
pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
