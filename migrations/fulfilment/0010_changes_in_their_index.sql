-- Lock: share on fulfilment.change while the indexes are built (no waybill moves meanwhile), two minutes for fifty million lines. Deploy it in a quiet hour.
-- The lines of a waybill come over days, so their rows lie on as many pages as there are lines, and a history that nobody had asked for lately read ten of
-- them from the disk. With all that a history shows in the index they lie next to each other. An entry can have 2.7 kB: what tells of holds or
-- contents, has a long cause, or was written before 0009 is found by the other index. The statement names the same conditions.
-- squawk-ignore require-concurrent-index-creation
create index change_lines on fulfilment.change (root, id) include (level, states, cause, actor, occurred_at)
  where level = 'waybill' and octet_length(cause) < 1200;
-- squawk-ignore require-concurrent-index-creation
create index change_long_lines on fulfilment.change (root) where level is null or level <> 'waybill' or octet_length(cause) >= 1200;
-- squawk-ignore require-concurrent-index-deletion
drop index fulfilment.change_root;
