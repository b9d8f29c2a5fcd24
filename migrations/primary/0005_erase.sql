-- A person's right: what a review says of its writer can be erased, and every erasing and every export
-- leaves a row that says so.

ALTER TABLE reviews ADD COLUMN erased_at timestamptz;
-- Not looked up in the rows that are there, which have none of it: the table would be locked meanwhile.
ALTER TABLE reviews ADD CONSTRAINT reviews_erased_check CHECK (
    erased_at IS NULL
    OR (hidden_by_moderation AND summary = '' AND body = '' AND reviewer_name = '' AND reviewer_email = ''
        AND response IS NULL AND photos = '[]')
) NOT VALID;
COMMENT ON CONSTRAINT reviews_erased_check ON reviews IS 'An erased review holds nothing personal, and stays out of every list.';
COMMENT ON COLUMN reviews.erased_at IS 'When the review was erased, null if it was not. Set once, then never changes.';
COMMENT ON COLUMN reviews.summary IS 'Headline as sent, empty when none was. Personal data. Emptied when the review is erased, else never changes.';
COMMENT ON COLUMN reviews.body IS 'Text as sent. Personal data. Emptied when the review is erased, else never changes.';
COMMENT ON COLUMN reviews.reviewer_name IS 'Name to show. Personal data. Emptied when the review is erased, else never changes.';
COMMENT ON COLUMN reviews.reviewer_email IS 'Never leaves the service, but in an export for its owner. Personal data. Emptied when the review is erased, else never changes.';
COMMENT ON COLUMN reviews.response IS 'The shop''s answer, null when there is none. Changes; null when the review is erased.';
COMMENT ON COLUMN reviews.photos IS 'Array of {"id", "url"} by id. Emptied when the review is erased, else never changes.';
COMMENT ON COLUMN reviews.hidden_by_moderation IS 'Hidden when imported, by a moderator, or for ever when erased; reports never change it.';
COMMENT ON COLUMN idempotency.request IS 'SHA-256 of what was sent: another request under the same key is refused. Changes when the row has expired and the key is used again; emptied, so that every request is another one, when the review is erased.';

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_pkey PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    action text NOT NULL,
    review_ids bigint[] NOT NULL,
    subject text,
    db_user text NOT NULL DEFAULT session_user,
    os_user text NOT NULL,
    CONSTRAINT audit_action_check CHECK (action IN ('erase', 'export')),
    CONSTRAINT audit_subject_check CHECK (subject ~ '^[0-9a-f]{64}$')
);
COMMENT ON TABLE audit IS 'What operations people did with what is held of a person: one row a run, written before it. Rows are added, never changed.';
COMMENT ON COLUMN audit.id IS 'Order of the rows. Never changes.';
COMMENT ON COLUMN audit.at IS 'When it began. Never changes.';
COMMENT ON COLUMN audit.action IS 'erase or export. Never changes.';
COMMENT ON COLUMN audit.review_ids IS 'The reviews that were named or found, unknown ones among them. Never changes.';
COMMENT ON COLUMN audit.subject IS 'SHA-256, in hex, of the e-mail address that was asked for, trimmed and in lower case; null when reviews were named. Never changes.';
COMMENT ON COLUMN audit.db_user IS 'The role that was connected. Never changes.';
COMMENT ON COLUMN audit.os_user IS 'Who ran the tool, by the operating system. Never changes.';

-- A meta that is added up from reviews leaves out those that were erased. No service reads or writes audit.
GRANT SELECT (erased_at) ON reviews TO reviews_read;
