-- Lists enter their indexes by part and product together. With the product alone the planner had to look
-- for the part elsewhere: it holds the two for independent, so it believed that most rows of the product
-- would be dropped, and read all reviews of a large product to sort them.
DROP INDEX reviews_newest;
CREATE INDEX reviews_newest ON reviews (part, product_id, date DESC, review_id DESC)
    WHERE NOT hidden_by_reports AND NOT hidden_by_moderation;
DROP INDEX reviews_helpful;
CREATE INDEX reviews_helpful ON reviews (part, product_id, helpfulness DESC, date DESC, review_id DESC)
    WHERE NOT hidden_by_reports AND NOT hidden_by_moderation;
DROP INDEX reviews_relevant;
CREATE INDEX reviews_relevant ON reviews (part, product_id, relevance DESC, date DESC, review_id DESC)
    WHERE NOT hidden_by_reports AND NOT hidden_by_moderation;
