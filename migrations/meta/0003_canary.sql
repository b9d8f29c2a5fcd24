-- The canary of the primary, when it has come through.

CREATE TABLE canary (
    one boolean NOT NULL DEFAULT true CONSTRAINT canary_pkey PRIMARY KEY,
    beat bigint NOT NULL DEFAULT 0,
    at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT canary_one_check CHECK (one)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE canary IS 'Every event that had a position before this beat of the primary''s canary is in the generation that answers: one row.';
COMMENT ON COLUMN canary.one IS 'Always true: there is one row.';
COMMENT ON COLUMN canary.beat IS 'Number of the beat, 0 before the first. Changes.';
COMMENT ON COLUMN canary.at IS 'When it came through. Changes with beat.';
INSERT INTO canary DEFAULT VALUES;

GRANT SELECT, UPDATE ON canary TO reviews_projector;
