-- A generation that does not fit the log is left out, instead of holding up the one that answers.

ALTER TABLE generation DROP CONSTRAINT generation_state_check;
ALTER TABLE generation ADD COLUMN invalid_because text;
ALTER TABLE generation ADD CONSTRAINT generation_state_check CHECK (state IN ('building', 'live', 'invalid', 'dropped'));
ALTER TABLE generation ADD CONSTRAINT generation_invalid_check CHECK (state <> 'invalid' OR invalid_because IS NOT NULL);
COMMENT ON COLUMN generation.state IS 'building: filled by a replay, not advanced by the projector. live: advanced with every batch. invalid: found not to fit the log, neither advanced nor swapped in any more. dropped: never read or written again, its rows are being deleted. Changes.';
COMMENT ON COLUMN generation.invalid_because IS 'Where it does not fit the log, null unless it was found so. Set once.';

GRANT SELECT ON swap TO reviews_projector;
