-- The projector compares meta with the reviews in the background: it may read what meta is made of, and no
-- personal data.

GRANT SELECT (part, review_id, product_id, rating, recommend, characteristics, hidden_by_reports, hidden_by_moderation,
              erased_at) ON reviews TO reviews_projector;
GRANT SELECT ON characteristics, product_stream TO reviews_projector;
