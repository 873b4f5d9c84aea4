-- Lock: SHARE on the table of waybills while the index is built: writers wait for seconds where there are a few million rows. Deploy it in a quiet hour.
-- What merchants have to prepare: their waybills of that phase, so that the index stays small however many days are kept, and by phase, so that no
-- report within it touches an index (0005).
-- Migrations run in one transaction each, so the index can not be built concurrently beforehand.
-- squawk-ignore require-concurrent-index-creation
create index waybill_to_prepare on fulfilment.waybill (merchant, id) where merchant <> '' and phase = 'preparing';
