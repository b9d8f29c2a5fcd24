-- What the whole HTTP contract needs: votes with an identity, idempotency keys, cursors, and what
-- readers must see to answer a token exactly.

CREATE TABLE votes (
    part smallint NOT NULL,
    review_id bigint NOT NULL,
    kind text NOT NULL,
    visitor text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT votes_pkey PRIMARY KEY (part, review_id, kind, visitor),
    CONSTRAINT votes_kind_check CHECK (kind IN ('helpful', 'report')),
    CONSTRAINT votes_visitor_check CHECK (char_length(visitor) BETWEEN 1 AND 64)
);
COMMENT ON TABLE votes IS 'Votes that came with a visitor''s id: each visitor counts once. Rows are added and deleted, never changed.';
COMMENT ON COLUMN votes.part IS 'As reviews.part. Never changes.';
COMMENT ON COLUMN votes.review_id IS 'The review. Never changes.';
COMMENT ON COLUMN votes.kind IS 'helpful or report. Never changes.';
COMMENT ON COLUMN votes.visitor IS 'The shop''s own id of a shopper, opaque to us. Personal data. Never changes.';
COMMENT ON COLUMN votes.at IS 'When the vote was counted. Never changes.';

CREATE TABLE idempotency (
    part smallint NOT NULL,
    operation text NOT NULL,
    subject bigint NOT NULL,
    key text NOT NULL,
    request bytea NOT NULL,
    review_id bigint NOT NULL,
    version bigint NOT NULL,
    taken bigint[] NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT idempotency_pkey PRIMARY KEY (part, operation, subject, key),
    CONSTRAINT idempotency_operation_check CHECK (operation IN ('post', 'helpful', 'report')),
    CONSTRAINT idempotency_key_check CHECK (char_length(key) BETWEEN 1 AND 255)
);
CREATE INDEX idempotency_expires_at ON idempotency (expires_at);
COMMENT ON TABLE idempotency IS 'Commands that came with an Idempotency-Key, and what they were answered. Kept 24 hours.';
COMMENT ON COLUMN idempotency.part IS 'The product''s part. Never changes.';
COMMENT ON COLUMN idempotency.operation IS 'post, helpful or report. Never changes.';
COMMENT ON COLUMN idempotency.subject IS 'The product of a post, the review of a vote. Never changes.';
COMMENT ON COLUMN idempotency.key IS 'The key as sent. Never changes.';
COMMENT ON COLUMN idempotency.request IS 'SHA-256 of what was sent: another request under the same key is refused. Changes when the row has expired and the key is used again.';
COMMENT ON COLUMN idempotency.review_id IS 'The review of the answer. Changes with request.';
COMMENT ON COLUMN idempotency.version IS 'The product''s version of the answer. Changes with request.';
COMMENT ON COLUMN idempotency.taken IS 'Characteristics that were taken of a post. Changes with request.';
COMMENT ON COLUMN idempotency.expires_at IS 'From then on the key is free. Changes with request.';

CREATE TABLE cursor_key (
    one boolean NOT NULL DEFAULT true CONSTRAINT cursor_key_pkey PRIMARY KEY,
    key bytea NOT NULL,
    CONSTRAINT cursor_key_one_check CHECK (one),
    CONSTRAINT cursor_key_length_check CHECK (octet_length(key) = 32)
);
COMMENT ON TABLE cursor_key IS 'What the cursors of lists are signed with: one row, the same for all readers.';
COMMENT ON COLUMN cursor_key.one IS 'Always true: there is one row.';
COMMENT ON COLUMN cursor_key.key IS '32 random bytes. Never changes; should it, cursors given out before are refused.';
INSERT INTO cursor_key (key)
SELECT decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex');

GRANT SELECT, INSERT, DELETE ON votes TO reviews_write;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency TO reviews_write;
GRANT SELECT ON characteristics, log_identity, cursor_key TO reviews_read;
GRANT SELECT (characteristics) ON reviews TO reviews_read;

-- A product's meta may be asked of the primary, which counts hidden reviews too: they are few.
CREATE INDEX reviews_hidden ON reviews (part, product_id) WHERE hidden_by_reports OR hidden_by_moderation;
