-- Which model's prediction a mask began with; '' = none. Its id as it was, and no reference: what is said of a mask
-- stays true after the model is gone, and of masks that come from another server.

ALTER TABLE annotations ADD COLUMN began_with TEXT NOT NULL DEFAULT '';
