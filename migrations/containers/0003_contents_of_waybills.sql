-- Lock: SHARE on containers.content while the index is built: looking goes on, packing waits for seconds where there are a few million lines. Deploy it in a quiet hour.
-- What a waybill was in at any time, for its timeline; the index of what is packed now does not know what has ended.
-- squawk-ignore require-concurrent-index-creation
create index content_waybill on containers.content (waybill_id, from_at);
