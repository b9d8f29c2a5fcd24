-- Replay: generations that are built beside the one that answers, and which answered when.

ALTER TABLE generation DROP CONSTRAINT generation_state_check;
ALTER TABLE generation ADD CONSTRAINT generation_state_check CHECK (state IN ('building', 'live', 'dropped'));
COMMENT ON COLUMN generation.state IS 'building: filled by a replay, not advanced by the projector. live: advanced with every batch. dropped: never read or written again, its rows are being deleted. Changes.';

CREATE TABLE replay (
    generation integer NOT NULL CONSTRAINT replay_pkey PRIMARY KEY,
    projection_version integer NOT NULL,
    source text NOT NULL,
    fresh boolean NOT NULL,
    phase text NOT NULL DEFAULT 'building',
    wanted text NOT NULL DEFAULT 'run',
    targets bigint[] NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    building_us bigint NOT NULL DEFAULT 0,
    differences bigint,
    swap_us bigint,
    CONSTRAINT replay_source_check CHECK (source IN ('log', 'snapshot', 'both')),
    CONSTRAINT replay_phase_check CHECK (phase IN ('building', 'catching-up', 'verifying', 'ready', 'differs', 'swapped', 'cancelled')),
    CONSTRAINT replay_wanted_check CHECK (wanted IN ('run', 'pause', 'cancel')),
    CONSTRAINT replay_targets_check CHECK (cardinality(targets) = 64),
    CONSTRAINT replay_ended_check CHECK ((phase IN ('swapped', 'cancelled')) = (ended_at IS NOT NULL))
);
-- Of those that have not ended there is one: a second tool goes on with it, or refuses.
CREATE UNIQUE INDEX replay_one_unended ON replay ((true)) WHERE ended_at IS NULL;
COMMENT ON TABLE replay IS 'Every replay that was begun, kept for ever. All of its state is here and in checkpoint, so it goes on after a kill.';
COMMENT ON COLUMN replay.generation IS 'The generation that it builds; it may be gone by now. Never changes.';
COMMENT ON COLUMN replay.projection_version IS 'Version of the fold that builds it. Never changes.';
COMMENT ON COLUMN replay.source IS 'log: folded from the events. snapshot: added up from the reviews. both: folded, and every product compared with the reviews. Never changes.';
COMMENT ON COLUMN replay.fresh IS 'It begins anew with another log than the one that the answering generation was made from. Never changes.';
COMMENT ON COLUMN replay.phase IS 'How far it is: building, catching-up, verifying; ready to be swapped in; differs, so that it is not; swapped; cancelled. Changes.';
COMMENT ON COLUMN replay.wanted IS 'What was asked of the process that does it: run, pause or cancel. Changes.';
COMMENT ON COLUMN replay.targets IS 'By part, the log''s head when it began: what building goes up to. Never changes.';
COMMENT ON COLUMN replay.begun_at IS 'When it began. Never changes.';
COMMENT ON COLUMN replay.ended_at IS 'When it was swapped in or cancelled, null before. Set once.';
COMMENT ON COLUMN replay.building_us IS 'Microseconds spent building, over all processes that did, pauses included. Only rises.';
COMMENT ON COLUMN replay.differences IS 'Products that verification found to differ, null before it. Changes with each verification.';
COMMENT ON COLUMN replay.swap_us IS 'Microseconds that the swap took, null before it. Set once.';

CREATE TABLE swap (
    swap bigint NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT swap_pkey PRIMARY KEY,
    from_generation integer NOT NULL,
    to_generation integer NOT NULL,
    why text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT swap_why_check CHECK (why IN ('replay', 'rollback'))
);
COMMENT ON TABLE swap IS 'Every change of the generation that answers. Rows are added, never changed.';
COMMENT ON COLUMN swap.swap IS 'Number of the swap. Never changes.';
COMMENT ON COLUMN swap.from_generation IS 'The generation that answered before. Never changes.';
COMMENT ON COLUMN swap.to_generation IS 'The generation that answered afterwards. Never changes.';
COMMENT ON COLUMN swap.why IS 'replay or rollback. Never changes.';
COMMENT ON COLUMN swap.at IS 'When. Never changes.';

CREATE TABLE discarded_event (
    part smallint NOT NULL,
    product_id bigint NOT NULL,
    version bigint NOT NULL,
    event_id uuid NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT discarded_event_pkey PRIMARY KEY (part, product_id, version),
    CONSTRAINT discarded_event_part_check CHECK (part = product_id % 64)
);
COMMENT ON TABLE discarded_event IS 'Events that operations people gave up: every fold passes over them. Rows are added, never changed.';
COMMENT ON COLUMN discarded_event.part IS 'product_id % 64. Never changes.';
COMMENT ON COLUMN discarded_event.product_id IS 'The product. Never changes.';
COMMENT ON COLUMN discarded_event.version IS 'The event''s version. Never changes.';
COMMENT ON COLUMN discarded_event.event_id IS 'The event''s identity. Never changes.';
COMMENT ON COLUMN discarded_event.reason IS 'Why it could not be applied. Never changes.';
COMMENT ON COLUMN discarded_event.at IS 'When it was given up. Never changes.';
GRANT SELECT ON discarded_event TO reviews_projector;
