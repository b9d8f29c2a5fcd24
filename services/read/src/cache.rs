//! Encoded answers, kept until the product they are about moves: a coherent cache.
//!
//! An entry is about one product in one store, and knows the version that it shows. A notice of a later version
//! throws it away. Between reading a store and keeping what was read, a notice may come that makes it old: so what was
//! heard lately is remembered, and nothing older than that is kept. When notices may have been missed, everything goes;
//! while none are heard, nothing is kept or served; and an age limit holds for whatever nobody thought of.

mod loads;

#[cfg(test)]
mod tests;

use crate::cache::loads::{Loads, Turn};
use crate::consistency::Tokens;
use axum::body::Bytes;
use axum::http::HeaderValue;
use axum::http::header::{LINK, WARNING};
use axum::response::Response;
use changes::{Keeper, Memory, Moment};
use contract::{ChangeNotice, Family, Store};
use domain::{Epoch, ProductId, Version};
use primary::Sort;
use quick_cache::Weighter;
use service::tagged_representation;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Answers kept of one product in one store; past it the oldest goes.
const ANSWERS_MAX: usize = 16;
/// What an entry takes beside its bodies, and each of its answers: keys, counters and what the allocator adds.
const ENTRY_BYTES: u64 = 192;
const ANSWER_BYTES: u64 = 224;
/// Bytes of an entry of usual size, by which the number of entries is estimated.
const USUAL_ENTRY_BYTES: u64 = 1_024;
/// How often somebody waits for who loads the same answer before loading it as well.
const TURNS_MAX: usize = 2;

/// Which answer about a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    /// Its meta.
    Meta(Family),
    /// A page of its list.
    List {
        family: Family,
        sort: Sort,
        page: i64,
        count: i64,
        /// A bit for each number of stars.
        ratings: u8,
        total: bool,
    },
}

impl Question {
    const fn store(self) -> Store {
        match self {
            Question::Meta(_) => Store::Meta,
            Question::List { .. } => Store::Primary,
        }
    }
}

/// An encoded answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The product's version that it shows.
    pub(crate) version: Version,
    pub(crate) body: Bytes,
    pub(crate) tag: HeaderValue,
    /// Where the next page is.
    pub(crate) link: Option<HeaderValue>,
    /// What to know about it.
    pub(crate) warning: Option<HeaderValue>,
    pub(crate) source: Source,
}

/// What an answer was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The primary.
    Primary,
    /// A generation of meta.
    Generation(i32),
    /// The primary, standing in for meta in this one answer: it is not given again.
    StandIn,
}

impl Answer {
    /// Makes an answer of its body.
    pub(crate) fn new(source: Source, version: Version, body: Vec<u8>) -> Self {
        let tag = service::entity_tag(&body);
        // As long as its text, not as its buffer: it may stay for a while.
        let body = Bytes::from(body.into_boxed_slice());
        Answer { version, body, tag, link: None, warning: None, source }
    }

    /// As it is sent.
    pub(crate) fn into_response(self) -> Response {
        let mut response = tagged_representation("application/json", self.body, self.tag);
        for (name, value) in [(LINK, self.link), (WARNING, self.warning)] {
            if let Some(value) = value {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    fn bytes(&self) -> u64 {
        let headers = [Some(&self.tag), self.link.as_ref(), self.warning.as_ref()];
        let headers: usize = headers.into_iter().flatten().map(HeaderValue::len).sum();
        ANSWER_BYTES + u64::try_from(self.body.len() + headers).unwrap_or(u64::MAX)
    }
}

type Key = (Store, ProductId);

/// What is kept of a product in a store: answers of one version.
#[derive(Debug, Clone)]
struct Entry {
    version: Version,
    /// When the oldest of them was asked of the store.
    since: Instant,
    answers: Vec<(Question, Answer)>,
}

#[derive(Debug, Clone)]
struct Bytewise;

impl Weighter<Key, Arc<Entry>> for Bytewise {
    fn weight(&self, _key: &Key, entry: &Arc<Entry>) -> u64 {
        ENTRY_BYTES + entry.answers.iter().map(|(_, answer)| answer.bytes()).sum::<u64>()
    }
}

/// What was heard lately, and whether it is all.
#[derive(Debug, Default)]
struct Heard {
    memory: Memory,
    /// The generation that answers, by whoever saw it last. Seeing it by the clock alone would miss one that answered
    /// for less than a look's interval.
    generation: Option<i32>,
    /// The log that the primary's answers are of, as it was seen last.
    log: Option<Epoch>,
    /// How often everything of a store was thrown away, or of both.
    flushes: u64,
}

/// Bounds of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Bytes at most; none for no cache.
    pub(crate) bytes_max: u64,
    /// Nothing older is served.
    pub(crate) age_max: Duration,
}

/// Answers of one reader.
#[derive(Debug)]
pub(crate) struct Cache {
    bounds: Bounds,
    entries: quick_cache::sync::Cache<Key, Arc<Entry>, Bytewise>,
    /// Whoever keeps or throws away holds it, so that a notice is either known to who keeps or finds what is kept.
    heard: Mutex<Heard>,
    hears_primary: AtomicBool,
    hears_meta: AtomicBool,
    loads: Loads,
}

/// A look at a store that has begun.
#[derive(Debug, Clone, Copy)]
struct Begun {
    at: Instant,
    moment: Moment,
    flushes: u64,
}

impl Cache {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let entries = usize::try_from(bounds.bytes_max / USUAL_ENTRY_BYTES).unwrap_or(usize::MAX);
        Cache {
            bounds,
            entries: quick_cache::sync::Cache::with_weighter(entries.max(1), bounds.bytes_max, Bytewise),
            heard: Mutex::default(),
            hears_primary: AtomicBool::new(false),
            hears_meta: AtomicBool::new(false),
            loads: Loads::default(),
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    const fn hears_of(&self, store: Store) -> &AtomicBool {
        match store {
            Store::Primary => &self.hears_primary,
            Store::Meta => &self.hears_meta,
        }
    }

    fn is_on(&self, store: Store) -> bool {
        self.bounds.bytes_max > 0 && self.hears_of(store).load(Ordering::Acquire)
    }

    /// The answer that is kept, if it shows `needed` at least; or the one that `load` brings, which is then kept. Of several
    /// who ask at one time, one loads.
    pub(crate) async fn answer<E>(
        &self,
        product_id: ProductId,
        question: Question,
        needed: Version,
        load: impl AsyncFnOnce() -> Result<Answer, E>,
    ) -> Result<Answer, E> {
        let (store, mut turn) = (question.store(), None);
        for _ in 0..TURNS_MAX {
            if !self.is_on(store) {
                break;
            }
            if let Some(answer) = self.kept(product_id, question, needed) {
                return Ok(answer);
            }
            match self.loads.turn((product_id, question)) {
                Turn::Ours(ours) => {
                    turn = Some(ours);
                    break;
                }
                Turn::After(other) => other.ended().await,
            }
        }
        let begun = self.is_on(store).then(|| self.begin());
        let answer = load().await?;
        if let Some(begun) = begun {
            self.keep(begun, product_id, question, answer.clone());
        }
        drop(turn);
        Ok(answer)
    }

    fn kept(&self, product_id: ProductId, question: Question, needed: Version) -> Option<Answer> {
        let entry = self.entries.get(&(question.store(), product_id))?;
        if entry.version < needed || entry.since.elapsed() >= self.bounds.age_max {
            return None;
        }
        entry.answers.iter().find(|(of, _)| *of == question).map(|(_, answer)| answer.clone())
    }

    fn begin(&self) -> Begun {
        let heard = self.heard();
        Begun { at: Instant::now(), moment: heard.memory.moment(), flushes: heard.flushes }
    }

    /// Keeps an answer, unless it may be old by now.
    fn keep(&self, begun: Begun, product_id: ProductId, question: Question, answer: Answer) {
        let mut heard = self.heard();
        match answer.source {
            Source::Primary => {}
            Source::Generation(generation) => self.see_generation(&mut heard, generation),
            Source::StandIn => return,
        }
        let store = question.store();
        let sure =
            self.is_on(store) && heard.flushes == begun.flushes && heard.memory.goes_back_to(begun.moment);
        if !sure || heard.memory.version(store, product_id).is_some_and(|version| version > answer.version) {
            return;
        }
        let key = (store, product_id);
        let mut entry = Entry { version: answer.version, since: begun.at, answers: Vec::new() };
        if let Some(before) = self.entries.get(&key) {
            if before.version > answer.version {
                return;
            }
            if before.version == answer.version && before.since.elapsed() < self.bounds.age_max {
                entry.since = before.since.min(begun.at);
                let others = before.answers.iter().filter(|(of, _)| *of != question);
                let too_many = (before.answers.len() + 1).saturating_sub(ANSWERS_MAX);
                entry.answers = others.skip(too_many).cloned().collect();
            }
        }
        entry.answers.push((question, answer));
        self.entries.insert(key, Arc::new(entry));
    }

    /// The version of a product that tokens name, if they are of the log that was seen last: an answer that shows it is as
    /// new as they ask for, without a look at what was given out.
    pub(crate) fn named(&self, product_id: ProductId, tokens: &Tokens) -> Option<Version> {
        if tokens.are_none() {
            return Some(Version(0));
        }
        tokens.named(self.heard().log?, product_id)
    }

    /// Throws away what was read from the primary while it had another log than this.
    pub(crate) fn log_is(&self, log: Epoch) {
        let mut heard = self.heard();
        if heard.log.replace(log) != Some(log) {
            self.throw_away(&mut heard, Store::Primary);
        }
    }

    /// Throws away what is kept of a store.
    pub(crate) fn flush(&self, store: Store) {
        self.throw_away(&mut self.heard(), store);
    }

    /// Throws away the metas that are of another generation.
    pub(crate) fn generation_answers(&self, generation: i32) {
        self.see_generation(&mut self.heard(), generation);
    }

    fn see_generation(&self, heard: &mut Heard, generation: i32) {
        if heard.generation.replace(generation).is_some_and(|before| before != generation) {
            self.throw_away(heard, Store::Meta);
        }
    }

    fn throw_away(&self, heard: &mut Heard, store: Store) {
        heard.flushes += 1;
        self.entries.retain(|(of, _), _| *of != store);
    }
}

impl Keeper for Cache {
    fn hear(&self, notice: &ChangeNotice) {
        let mut heard = self.heard();
        heard.memory.hear(notice, Instant::now());
        for (product_id, version) in &notice.changes {
            let key = (notice.store, *product_id);
            if self.entries.peek(&key).is_some_and(|entry| entry.version < *version) {
                self.entries.remove(&key);
            }
        }
    }

    fn missed(&self) {
        let mut heard = self.heard();
        heard.flushes += 1;
        self.entries.clear();
    }

    fn hears(&self, store: Store, hears: bool) {
        let _heard = self.heard();
        self.hears_of(store).store(hears, Ordering::Release);
    }
}
