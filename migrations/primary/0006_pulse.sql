-- Signs of life: how long commands take to commit, and a canary that whoever gives positions stamps.

CREATE TABLE write_latency (
    writer uuid NOT NULL CONSTRAINT write_latency_pkey PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    commands integer NOT NULL,
    p50_us bigint NOT NULL,
    p99_us bigint NOT NULL,
    max_us bigint NOT NULL,
    CONSTRAINT write_latency_order_check CHECK (commands >= 0 AND 0 <= p50_us AND p50_us <= p99_us AND p99_us <= max_us)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE write_latency IS 'How long the commands of the last seconds took to commit, as each write service measures it: one row each, deleted when the service stops or was not heard of for a minute.';
COMMENT ON COLUMN write_latency.writer IS 'The process, by a number drawn at its start. Never changes.';
COMMENT ON COLUMN write_latency.at IS 'When it said so: once a second while commands come, else every few seconds. Changes.';
COMMENT ON COLUMN write_latency.commands IS 'Commands measured, 0 when none came. Changes.';
COMMENT ON COLUMN write_latency.p50_us IS 'Half of them took at most this, in microseconds. Changes.';
COMMENT ON COLUMN write_latency.p99_us IS 'Ninety-nine of a hundred took at most this, in microseconds. Changes.';
COMMENT ON COLUMN write_latency.max_us IS 'The slowest one, in microseconds. Changes.';

CREATE TABLE canary (
    one boolean NOT NULL DEFAULT true CONSTRAINT canary_pkey PRIMARY KEY,
    beat bigint NOT NULL DEFAULT 0,
    at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT canary_one_check CHECK (one)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE canary IS 'Counts on once a second, after a round of giving positions that succeeded: one row. Events that had a position before a beat are seen by whoever sees the beat.';
COMMENT ON COLUMN canary.one IS 'Always true: there is one row.';
COMMENT ON COLUMN canary.beat IS 'Number of the last beat. Only rises.';
COMMENT ON COLUMN canary.at IS 'When it was. Changes with beat.';
INSERT INTO canary DEFAULT VALUES;

GRANT SELECT, INSERT, UPDATE, DELETE ON write_latency TO reviews_write;
GRANT SELECT, UPDATE ON canary TO reviews_write;
GRANT SELECT ON canary TO reviews_projector;
