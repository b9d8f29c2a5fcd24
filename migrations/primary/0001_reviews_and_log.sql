-- The primary: reviews, and the log of everything that happened to them.
-- part = product_id % 64 stands in every unique key of the tables that grow, so that they can be
-- distributed on it. A command touches one part (a vote finds it by review_id first); what takes
-- several parts in one statement does so to save commits, and works a part at a time as well.

-- Roles are shared by all databases of a server, so another database may have made them already.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['reviews_write', 'reviews_read', 'reviews_projector'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I LOGIN', name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END
$$;

CREATE SEQUENCE review_id_seq AS bigint MAXVALUE 9007199254740991 CACHE 1;
COMMENT ON SEQUENCE review_id_seq IS 'Ids of reviews, unique over all parts; an import raises it above its own.';
CREATE SEQUENCE photo_id_seq AS bigint MAXVALUE 9007199254740991 CACHE 1;
COMMENT ON SEQUENCE photo_id_seq IS 'Ids of photos; an import raises it above its own.';
CREATE SEQUENCE characteristic_id_seq AS bigint MAXVALUE 9007199254740991 CACHE 1;
COMMENT ON SEQUENCE characteristic_id_seq IS 'Ids of characteristics; an import raises it above its own.';
CREATE SEQUENCE outbox_tie_seq AS bigint CACHE 1;
COMMENT ON SEQUENCE outbox_tie_seq IS 'Order within the outbox. CACHE 1: a value drawn later by a session that held the product''s row lock must be higher.';

CREATE TABLE reviews (
    part smallint NOT NULL,
    review_id bigint NOT NULL,
    product_id bigint NOT NULL,
    rating smallint NOT NULL,
    date timestamptz NOT NULL,
    summary text NOT NULL,
    body text NOT NULL,
    recommend boolean NOT NULL,
    reviewer_name text NOT NULL,
    reviewer_email text NOT NULL,
    response text,
    helpfulness integer NOT NULL DEFAULT 0,
    relevance smallint NOT NULL GENERATED ALWAYS AS (32 - position(B'1' IN (1 + helpfulness)::bit(32))) STORED,
    reports integer NOT NULL DEFAULT 0,
    hidden_by_reports boolean NOT NULL DEFAULT false,
    hidden_by_moderation boolean NOT NULL DEFAULT false,
    photos jsonb NOT NULL DEFAULT '[]',
    characteristics jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT reviews_pkey PRIMARY KEY (part, review_id),
    CONSTRAINT reviews_part_check CHECK (part = product_id % 64),
    CONSTRAINT reviews_review_id_check CHECK (review_id BETWEEN 1 AND 9007199254740991),
    CONSTRAINT reviews_product_id_check CHECK (product_id BETWEEN 1 AND 9007199254740991),
    CONSTRAINT reviews_rating_check CHECK (rating BETWEEN 1 AND 5),
    CONSTRAINT reviews_helpfulness_check CHECK (helpfulness BETWEEN 0 AND 2147483646),
    CONSTRAINT reviews_reports_check CHECK (reports >= 0)
);
CREATE INDEX reviews_review_id ON reviews (review_id);
CREATE INDEX reviews_newest ON reviews (product_id, date DESC, review_id DESC)
    WHERE NOT hidden_by_reports AND NOT hidden_by_moderation;
CREATE INDEX reviews_helpful ON reviews (product_id, helpfulness DESC, date DESC, review_id DESC)
    WHERE NOT hidden_by_reports AND NOT hidden_by_moderation;
CREATE INDEX reviews_relevant ON reviews (product_id, relevance DESC, date DESC, review_id DESC)
    WHERE NOT hidden_by_reports AND NOT hidden_by_moderation;
COMMENT ON TABLE reviews IS 'One row a review, with its photos and characteristic values in it.';
COMMENT ON COLUMN reviews.part IS 'product_id % 64. Never changes.';
COMMENT ON COLUMN reviews.review_id IS 'Unique over all parts, by the sequence and by the import''s checks. Never changes.';
COMMENT ON COLUMN reviews.product_id IS 'The shop''s product, 1 to 2^53 - 1. Never changes.';
COMMENT ON COLUMN reviews.rating IS 'Stars, 1 to 5. Never changes.';
COMMENT ON COLUMN reviews.date IS 'When the review was written, to the millisecond. Never changes.';
COMMENT ON COLUMN reviews.summary IS 'Headline as sent, empty when none was. Personal data. Never changes.';
COMMENT ON COLUMN reviews.body IS 'Text as sent. Personal data. Never changes.';
COMMENT ON COLUMN reviews.recommend IS 'Whether the reviewer recommends the product. Never changes.';
COMMENT ON COLUMN reviews.reviewer_name IS 'Name to show. Personal data. Never changes.';
COMMENT ON COLUMN reviews.reviewer_email IS 'Never leaves the service. Personal data. Never changes.';
COMMENT ON COLUMN reviews.response IS 'The shop''s answer, null when there is none. Changes.';
COMMENT ON COLUMN reviews.helpfulness IS 'Number of helpful votes. Changes with each vote.';
COMMENT ON COLUMN reviews.relevance IS 'floor(log2(1 + helpfulness)). Changes with helpfulness.';
COMMENT ON COLUMN reviews.reports IS 'Number of reports. Changes with each report.';
COMMENT ON COLUMN reviews.hidden_by_reports IS 'Reports have reached the threshold. Changes with reports.';
COMMENT ON COLUMN reviews.hidden_by_moderation IS 'Hidden when imported, or by a moderator; reports never change it.';
COMMENT ON COLUMN reviews.photos IS 'Array of {"id", "url"} by id. Never changes.';
COMMENT ON COLUMN reviews.characteristics IS 'Object: characteristic id to value 1..5. Never changes.';

CREATE TABLE characteristics (
    part smallint NOT NULL,
    product_id bigint NOT NULL,
    characteristic_id bigint NOT NULL,
    name text NOT NULL,
    CONSTRAINT characteristics_pkey PRIMARY KEY (part, product_id, characteristic_id),
    CONSTRAINT characteristics_name_key UNIQUE (part, product_id, name),
    CONSTRAINT characteristics_part_check CHECK (part = product_id % 64),
    CONSTRAINT characteristics_id_check CHECK (characteristic_id BETWEEN 1 AND 9007199254740991),
    CONSTRAINT characteristics_name_check CHECK (char_length(name) BETWEEN 1 AND 30)
);
CREATE INDEX characteristics_characteristic_id ON characteristics (characteristic_id);
COMMENT ON TABLE characteristics IS 'What a product is rated on beside its stars. Rows are added, never changed.';
COMMENT ON COLUMN characteristics.part IS 'product_id % 64. Never changes.';
COMMENT ON COLUMN characteristics.product_id IS 'The product that has it. Never changes.';
COMMENT ON COLUMN characteristics.characteristic_id IS 'Unique over all parts. Never changes.';
COMMENT ON COLUMN characteristics.name IS 'Fit, Size, Comfort, ...; 1 to 30 characters. Never changes.';

CREATE TABLE product_stream (
    part smallint NOT NULL,
    product_id bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT product_stream_pkey PRIMARY KEY (part, product_id),
    CONSTRAINT product_stream_part_check CHECK (part = product_id % 64),
    CONSTRAINT product_stream_version_check CHECK (version >= 1)
) WITH (fillfactor = 70);
COMMENT ON TABLE product_stream IS 'One row a product: how many commands it has accepted. Its row lock orders them.';
COMMENT ON COLUMN product_stream.part IS 'product_id % 64. Never changes.';
COMMENT ON COLUMN product_stream.product_id IS 'The product. Never changes.';
COMMENT ON COLUMN product_stream.version IS 'Raised by one with every accepted command, in the statement that carries it out.';

CREATE TABLE outbox (
    part smallint NOT NULL,
    tie bigint NOT NULL DEFAULT nextval('outbox_tie_seq'),
    product_id bigint NOT NULL,
    version bigint NOT NULL,
    event_id uuid NOT NULL,
    type text NOT NULL,
    payload json NOT NULL,
    traceparent text,
    at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT outbox_pkey PRIMARY KEY (part, tie)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER SEQUENCE outbox_tie_seq OWNED BY outbox.tie;
COMMENT ON TABLE outbox IS 'Committed events that have no position yet. Rows are moved to event_log, never changed.';
COMMENT ON COLUMN outbox.part IS 'product_id % 64. Never changes.';
COMMENT ON COLUMN outbox.tie IS 'Order in which rows of one product were written. Never changes.';
COMMENT ON COLUMN outbox.product_id IS 'The product that the event is about. Never changes.';
COMMENT ON COLUMN outbox.version IS 'The product''s version after the event. Never changes.';
COMMENT ON COLUMN outbox.event_id IS 'Identity of the event, everywhere. Never changes.';
COMMENT ON COLUMN outbox.type IS 'Name and version of the payload''s shape, as ReviewPosted.v1. Never changes.';
COMMENT ON COLUMN outbox.payload IS 'What happened, without personal data. Never changes.';
COMMENT ON COLUMN outbox.traceparent IS 'W3C trace context of the command, if it had one. Never changes.';
COMMENT ON COLUMN outbox.at IS 'When the command was carried out. Never changes.';

CREATE TABLE event_log (
    part smallint NOT NULL,
    pos bigint NOT NULL,
    product_id bigint NOT NULL,
    version bigint NOT NULL,
    event_id uuid NOT NULL,
    type text NOT NULL,
    payload json NOT NULL,
    traceparent text,
    at timestamptz NOT NULL,
    CONSTRAINT event_log_pkey PRIMARY KEY (part, pos),
    CONSTRAINT event_log_version_key UNIQUE (part, product_id, version),
    CONSTRAINT event_log_part_check CHECK (part = product_id % 64),
    CONSTRAINT event_log_pos_check CHECK (pos >= 1)
);
COMMENT ON TABLE event_log IS 'Everything that ever happened, in order, for ever: the source of truth for projections.';
COMMENT ON COLUMN event_log.part IS 'product_id % 64. Never changes.';
COMMENT ON COLUMN event_log.pos IS 'Position in the part: 1, 2, 3, ... without a hole. Never changes.';
COMMENT ON COLUMN event_log.product_id IS 'The product that the event is about. Never changes.';
COMMENT ON COLUMN event_log.version IS 'The product''s version after the event: 1, 2, 3, ... in order of pos. Never changes.';
COMMENT ON COLUMN event_log.event_id IS 'Identity of the event. Never changes.';
COMMENT ON COLUMN event_log.type IS 'Name and version of the payload''s shape. Never changes.';
COMMENT ON COLUMN event_log.payload IS 'What happened, without personal data. Never changes.';
COMMENT ON COLUMN event_log.traceparent IS 'W3C trace context of the command, if it had one. Never changes.';
COMMENT ON COLUMN event_log.at IS 'When the command was carried out. Never changes.';

CREATE TABLE log_head (
    part smallint NOT NULL CONSTRAINT log_head_pkey PRIMARY KEY,
    head bigint NOT NULL DEFAULT 0,
    CONSTRAINT log_head_part_check CHECK (part BETWEEN 0 AND 63)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE log_head IS 'The last position of each part. Whoever appends to event_log holds the part''s row.';
COMMENT ON COLUMN log_head.part IS '0 to 63. Never changes.';
COMMENT ON COLUMN log_head.head IS 'Highest position of the part in event_log, 0 when it has none. Only rises.';
INSERT INTO log_head (part) SELECT generate_series(0, 63);

CREATE TABLE log_published (
    part smallint NOT NULL CONSTRAINT log_published_pkey PRIMARY KEY,
    published bigint NOT NULL DEFAULT 0,
    CONSTRAINT log_published_part_check CHECK (part BETWEEN 0 AND 63)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE log_published IS 'How far the relay has offered each part to the broker. A hint: projectors pull what it skips.';
COMMENT ON COLUMN log_published.part IS '0 to 63. Never changes.';
COMMENT ON COLUMN log_published.published IS 'Last position offered. Only rises.';
INSERT INTO log_published (part) SELECT generate_series(0, 63);

CREATE TABLE log_identity (
    one boolean NOT NULL DEFAULT true CONSTRAINT log_identity_pkey PRIMARY KEY,
    epoch uuid NOT NULL DEFAULT gen_random_uuid(),
    CONSTRAINT log_identity_one_check CHECK (one)
);
COMMENT ON TABLE log_identity IS 'Which log this is: one row.';
COMMENT ON COLUMN log_identity.one IS 'Always true: there is one row.';
COMMENT ON COLUMN log_identity.epoch IS 'Positions are comparable only within one epoch. Never changes in a log''s life.';
INSERT INTO log_identity DEFAULT VALUES;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT SELECT, INSERT ON reviews TO reviews_write;
GRANT UPDATE (helpfulness, reports, hidden_by_reports) ON reviews TO reviews_write;
GRANT SELECT ON characteristics, log_identity TO reviews_write;
GRANT SELECT, INSERT, UPDATE ON product_stream TO reviews_write;
GRANT SELECT, INSERT, DELETE ON outbox TO reviews_write;
GRANT SELECT, INSERT ON event_log TO reviews_write;
GRANT SELECT, UPDATE ON log_head, log_published TO reviews_write;
GRANT USAGE ON review_id_seq, photo_id_seq, outbox_tie_seq TO reviews_write;
GRANT SELECT (part, review_id, product_id, rating, date, summary, body, recommend, reviewer_name, response,
              helpfulness, relevance, hidden_by_reports, hidden_by_moderation, photos) ON reviews TO reviews_read;
GRANT SELECT ON product_stream TO reviews_read;
GRANT SELECT ON event_log, log_head, log_identity TO reviews_projector;

-- No snapshot of a service lives long: it would keep dead rows of outbox and log_head alive.
ALTER ROLE reviews_write SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE reviews_write SET statement_timeout = '10s';
ALTER ROLE reviews_read SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE reviews_read SET statement_timeout = '5s';
ALTER ROLE reviews_projector SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE reviews_projector SET statement_timeout = '10s';
