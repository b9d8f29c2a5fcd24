-- An event that was given up may have added a review: later events of that review would take away what was never there.

ALTER TABLE discarded_event ADD COLUMN review_id bigint;
COMMENT ON COLUMN discarded_event.review_id IS 'The review that the event would have added: later events of it are passed over too. Null when it added none, or does not say which. Never changes.';
