//! Everything that there is, and what may happen to it: one step after another, each chosen by the dice.

use crate::broker::{Broker, Message};
use crate::dice::Dice;
use crate::meta::Meta;
use crate::oracle::{Oracle, Readers};
use crate::primary::Primary;
use crate::projector::Target;
use crate::replay::{Process, Replay};
use contract::queue_of;
use domain::{Event, PARTS, PROJECTION_VERSION, Part, Position, ProductId, Version};
use meta::Checkpoint;
use projection::{Batch, Looks, Rebuild};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct World {
    pub(crate) dice: Dice,
    /// Number of the step.
    pub(crate) step: usize,
    /// How often each thing happened.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) primary: Primary,
    pub(crate) broker: Broker,
    pub(crate) meta: Meta,
    pub(crate) replay: Option<Replay>,
    pub(crate) process: Option<Process>,
    pub(crate) oracle: Oracle,
    pub(crate) readers: Readers,
    looks: Looks,
    /// A product that is being made anew.
    pub(crate) rebuild: Option<(ProductId, Rebuild)>,
    /// Products of which an event was given up, to be made anew.
    pub(crate) given_up: BTreeSet<ProductId>,
}

/// Something that may happen; `false` when it cannot now.
type Step = fn(&mut World) -> bool;

/// What may happen, each as often as its weight.
const STEPS: [(usize, (&str, Step)); 25] = [
    (70, ("a command began", World::begin)),
    (60, ("a command was committed", World::commit)),
    (60, ("events got positions", World::sequence)),
    (60, ("a message was published", World::publish)),
    (3, ("a backlog was left to the projectors", World::skip_backlog)),
    (80, ("messages were folded", World::deliver)),
    (12, ("a message was lost", |world| world.broker.lose(&mut world.dice))),
    (12, ("a message was repeated", |world| world.broker.repeat(&mut world.dice))),
    (12, ("messages changed places", |world| world.broker.reorder(&mut world.dice))),
    (6, ("a message lost an event", |world| world.broker.tear(&mut world.dice))),
    (4, ("a message was of another log", |world| world.broker.make_foreign(&mut world.dice))),
    (1, ("the broker was wiped", World::wipe)),
    (40, ("the projector looked", World::look)),
    (2, ("the projector was restarted", World::restart_projector)),
    (6, ("a replay began", World::begin_replay)),
    (60, ("a replay went on", World::work)),
    (3, ("a replay was killed", |world| world.process.take().is_some())),
    (20, ("a replay was taken up", World::start_process)),
    (2, ("a replay was paused", |world| world.pause(true))),
    (8, ("a replay was resumed", |world| world.pause(false))),
    (1, ("a replay was given up", World::cancel)),
    (4, ("a rollback was asked for", World::roll_back)),
    (3, ("generations were pruned", World::prune)),
    (14, ("a product was made anew", World::make_anew)),
    (10, ("an event was given up", World::give_up)),
];

impl World {
    pub(crate) fn of(seed: u64) -> Self {
        let mut world = World {
            dice: Dice::of(seed),
            step: 0,
            counts: BTreeMap::new(),
            primary: Primary::new(),
            broker: Broker::default(),
            meta: Meta::default(),
            replay: None,
            process: None,
            oracle: Oracle::default(),
            readers: Readers::default(),
            looks: Looks::default(),
            rebuild: None,
            given_up: BTreeSet::new(),
        };
        world.begin_first_generation();
        world
    }

    fn begin_first_generation(&mut self) {
        let version = if self.dice.one_in(4) { 1 } else { PROJECTION_VERSION };
        let number = self.meta.begin(version);
        let first = self.meta.generations.get_mut(&number).unwrap();
        first.live = true;
        for part in self.primary.parts() {
            let (pos, epoch) = (Position(0), self.primary.epoch);
            first
                .checkpoints
                .insert(part, Checkpoint { generation: number, part, pos, epoch, event_id: None });
        }
        self.meta.active = number;
    }

    /// The next thing that happens.
    pub(crate) fn next(&mut self) {
        self.step += 1;
        loop {
            // Rarer than all others, since it hides what it hits until that is made anew.
            let (name, step) = if self.dice.one_in(1_500) {
                ("a product was damaged", World::damage as Step)
            } else {
                self.dice.weighted(&STEPS)
            };
            if step(self) {
                return self.happened(name);
            }
        }
    }

    pub(crate) fn happened(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(crate) fn parked(&mut self, products: usize) {
        if products > 0 {
            self.happened("a product was parked");
        }
    }

    /// Products of a generation are as they must be, and readers see none go back.
    pub(crate) fn check(&mut self, number: i32, products: &BTreeSet<ProductId>) {
        products.iter().for_each(|id| self.oracle.check(*id, number, &self.meta, &self.primary));
        if number == self.meta.active {
            self.readers.look(products, &self.meta);
        }
    }

    pub(crate) fn check_all(&mut self, number: i32) {
        let built = |id: &&ProductId| self.meta.generations[&number].checkpoints.contains_key(&id.part());
        let products = self.primary.products.keys().filter(built).copied().collect();
        self.check(number, &products);
    }

    fn begin(&mut self) -> bool {
        let Some(id) = self.primary.begin(&mut self.dice) else { return false };
        if self.dice.one_in(2) {
            self.commit_of(id);
        }
        true
    }

    fn commit(&mut self) -> bool {
        let under_way = self.primary.under_way(&mut self.dice);
        under_way.map(|id| self.commit_of(id)).is_some()
    }

    fn commit_of(&mut self, id: ProductId) {
        self.primary.commit(id);
        let events = &self.primary.products[&id].events;
        let (event, version) = (events.last().unwrap(), Version(i64::try_from(events.len()).unwrap()));
        let Some(erased @ Event::ReviewErased(_)) = &event.says else { return };
        if self.meta.discarded_of(|of| of == id).has_review_of((id, version), erased) {
            self.happened("a review was erased whose posting was given up");
        }
    }

    fn sequence(&mut self) -> bool {
        let Some(part) = self.dice.pick(&self.primary.waiting()) else { return false };
        let count = self.dice.below(8) + 1;
        self.give_positions(part, count);
        true
    }

    pub(crate) fn give_positions(&mut self, part: Part, events_max: usize) {
        for id in self.primary.sequence(part, events_max) {
            self.oracle.learn(id, &self.primary, &self.meta.discarded_of(|of| of == id).events);
        }
    }

    /// The relay sends what it has not offered, and notes that it did, unless it dies before.
    fn publish(&mut self) -> bool {
        let fresh = |part: &Part| self.primary.published[part] < self.primary.head(*part);
        let parts: Vec<Part> = self.primary.parts().into_iter().filter(fresh).collect();
        let Some(first) = self.dice.pick(&parts) else { return false };
        let queue = queue_of(first);
        let mut message = Message { epoch: self.primary.epoch, events: Vec::new() };
        let mut offered = Vec::new();
        for part in parts.into_iter().filter(|part| queue_of(*part) == queue) {
            let events = self.primary.linked(part, self.primary.published[&part], self.dice.below(6) + 1);
            offered.extend(events.last().map(|last| (part, last.event.pos)));
            message.events.extend(events);
        }
        if !self.broker.publish(queue, message) {
            self.happened("a full queue refused a message");
        }
        if self.dice.one_in(8) {
            self.happened("a relay died before it noted what it sent");
        } else {
            self.primary.published.extend(offered);
        }
        true
    }

    fn skip_backlog(&mut self) -> bool {
        let Some(part) = self.dice.pick(&self.primary.parts()) else { return false };
        let kept_after = Position(self.primary.head(part).0 - 2);
        let behind = self.primary.published[&part] < kept_after;
        if behind {
            self.primary.published.insert(part, kept_after);
        }
        behind
    }

    pub(crate) fn deliver(&mut self) -> bool {
        let Some((queue, messages)) = self.broker.deliver(&mut self.dice) else { return false };
        let (mut batch, count) = (Batch::default(), messages.len());
        messages.into_iter().for_each(|message| batch.add(Some(message.epoch), message.events));
        let cut_off = self.dice.one_in(12);
        self.project(&batch, Target::Live, cut_off);
        if cut_off {
            return true;
        }
        if self.dice.one_in(10) {
            self.happened("an acknowledgement was not heard");
        } else {
            self.broker.acknowledge(&queue, count);
        }
        true
    }

    fn wipe(&mut self) -> bool {
        self.broker.wipe();
        true
    }

    /// What the projector does by its clock: it pulls where no message came.
    pub(crate) fn look(&mut self) -> bool {
        let live: Vec<i32> = self.meta.live().iter().map(|(generation, _)| *generation).collect();
        let checkpoints = self.meta.checkpoints_of(&live, |_| true);
        let mut heads = vec![Position(0); usize::from(PARTS)];
        self.primary.parts().into_iter().for_each(|part| heads[part.index()] = self.primary.head(part));
        let connected = !self.dice.one_in(4);
        let batch = self.looks.ask(&checkpoints, &heads, connected);
        if batch.0.is_empty() {
            return false;
        }
        let positions = self.project(&batch, Target::Live, false);
        if self.looks.pulled(&batch, &positions) {
            self.happened("a pull took several transactions");
        }
        true
    }

    fn restart_projector(&mut self) -> bool {
        self.looks = Looks::default();
        true
    }

    pub(crate) fn pause(&mut self, paused: bool) -> bool {
        let asked = self.replay.as_mut().filter(|replay| replay.paused != paused);
        asked.map(|replay| replay.paused = paused).is_some()
    }
}
