-- Readers keep answers until a product's version moves. This tells them of answers that change without that.

ALTER TABLE active_generation ADD COLUMN mended bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN active_generation.mended IS 'How often a product was made anew, in whatever generation. Only rises.';
