-- Characteristics as the text that answers are made of: nothing searches in them, and a parsed form costs its making
-- with every store and its unmaking with every read.

ALTER TABLE product_meta
    ALTER COLUMN characteristics DROP DEFAULT,
    ALTER COLUMN characteristics TYPE json USING characteristics::json,
    ALTER COLUMN characteristics SET DEFAULT '[]';
