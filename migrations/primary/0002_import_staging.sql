-- Where an import lays the data set's files out before it checks and appends them. Contents are
-- not kept over a crash (UNLOGGED) nor after an import. The import makes indexes when the tables are
-- full, which is faster than keeping them up to date, and drops them when it empties the tables.
CREATE SCHEMA staging;
COMMENT ON SCHEMA staging IS 'Work space of the import; empty between imports.';

CREATE UNLOGGED TABLE staging.reviews (
    part smallint NOT NULL,
    line bigint NOT NULL,
    review_id bigint NOT NULL,
    product_id bigint NOT NULL,
    rating smallint NOT NULL,
    date timestamptz NOT NULL,
    summary text NOT NULL,
    body text NOT NULL,
    recommend boolean NOT NULL,
    hidden boolean NOT NULL,
    reviewer_name text NOT NULL,
    reviewer_email text NOT NULL,
    response text,
    helpfulness integer NOT NULL
);
COMMENT ON TABLE staging.reviews IS 'Lines of reviews.csv that could be read.';
COMMENT ON COLUMN staging.reviews.part IS 'product_id % 64. Never changes.';
COMMENT ON COLUMN staging.reviews.line IS 'Line in the file, the header being 1. Never changes.';
COMMENT ON COLUMN staging.reviews.review_id IS 'Column id. Never changes.';
COMMENT ON COLUMN staging.reviews.product_id IS 'Column product_id. Never changes.';
COMMENT ON COLUMN staging.reviews.rating IS 'Column rating. Never changes.';
COMMENT ON COLUMN staging.reviews.date IS 'Column date. Never changes.';
COMMENT ON COLUMN staging.reviews.summary IS 'Column summary. Never changes.';
COMMENT ON COLUMN staging.reviews.body IS 'Column body. Never changes.';
COMMENT ON COLUMN staging.reviews.recommend IS 'Column recommend. Never changes.';
COMMENT ON COLUMN staging.reviews.hidden IS 'Column reported. Never changes.';
COMMENT ON COLUMN staging.reviews.reviewer_name IS 'Column reviewer_name. Never changes.';
COMMENT ON COLUMN staging.reviews.reviewer_email IS 'Column reviewer_email. Never changes.';
COMMENT ON COLUMN staging.reviews.response IS 'Column response, null for nothing and for the bare word null. Never changes.';
COMMENT ON COLUMN staging.reviews.helpfulness IS 'Column helpfulness. Never changes.';

CREATE UNLOGGED TABLE staging.photos (
    line bigint NOT NULL,
    photo_id bigint NOT NULL,
    review_id bigint NOT NULL,
    url text NOT NULL
);
COMMENT ON TABLE staging.photos IS 'Lines of reviews_photos.csv that could be read.';
COMMENT ON COLUMN staging.photos.line IS 'Line in the file, the header being 1. Never changes.';
COMMENT ON COLUMN staging.photos.photo_id IS 'Column id. Never changes.';
COMMENT ON COLUMN staging.photos.review_id IS 'Column review_id. Never changes.';
COMMENT ON COLUMN staging.photos.url IS 'Column url. Never changes.';

CREATE UNLOGGED TABLE staging.characteristics (
    part smallint NOT NULL,
    line bigint NOT NULL,
    characteristic_id bigint NOT NULL,
    product_id bigint NOT NULL,
    name text NOT NULL
);
COMMENT ON TABLE staging.characteristics IS 'Lines of characteristics.csv that could be read.';
COMMENT ON COLUMN staging.characteristics.part IS 'product_id % 64. Never changes.';
COMMENT ON COLUMN staging.characteristics.line IS 'Line in the file, the header being 1. Never changes.';
COMMENT ON COLUMN staging.characteristics.characteristic_id IS 'Column id. Never changes.';
COMMENT ON COLUMN staging.characteristics.product_id IS 'Column product_id. Never changes.';
COMMENT ON COLUMN staging.characteristics.name IS 'Column name. Never changes.';

CREATE UNLOGGED TABLE staging.values (
    line bigint NOT NULL,
    characteristic_id bigint NOT NULL,
    review_id bigint NOT NULL,
    value smallint NOT NULL
);
COMMENT ON TABLE staging.values IS 'Lines of characteristic_reviews.csv that could be read.';
COMMENT ON COLUMN staging.values.line IS 'Line in the file, the header being 1. Never changes.';
COMMENT ON COLUMN staging.values.characteristic_id IS 'Column characteristic_id. Never changes.';
COMMENT ON COLUMN staging.values.review_id IS 'Column review_id. Never changes.';
COMMENT ON COLUMN staging.values.value IS 'Column value. Never changes.';

CREATE UNLOGGED TABLE staging.rejects (
    file text NOT NULL,
    line bigint NOT NULL,
    reason text NOT NULL
);
COMMENT ON TABLE staging.rejects IS 'Lines that will not be imported.';
COMMENT ON COLUMN staging.rejects.file IS 'Name of the file. Never changes.';
COMMENT ON COLUMN staging.rejects.line IS 'Line in the file, the header being 1. Never changes.';
COMMENT ON COLUMN staging.rejects.reason IS 'Why, for a person. Never changes.';

CREATE UNLOGGED TABLE staging.attached (
    part smallint NOT NULL,
    product_id bigint NOT NULL,
    review_id bigint NOT NULL,
    photos jsonb NOT NULL,
    characteristics jsonb NOT NULL
);
COMMENT ON TABLE staging.attached IS 'Photos and values of new reviews, checked and gathered; a review that has none has no row.';
COMMENT ON COLUMN staging.attached.part IS 'As reviews.part. Never changes.';
COMMENT ON COLUMN staging.attached.product_id IS 'As reviews.product_id. Never changes.';
COMMENT ON COLUMN staging.attached.review_id IS 'As reviews.review_id. Never changes.';
COMMENT ON COLUMN staging.attached.photos IS 'As reviews.photos. Never changes.';
COMMENT ON COLUMN staging.attached.characteristics IS 'As reviews.characteristics. Never changes.';
