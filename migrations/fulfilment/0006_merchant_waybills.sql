-- Lock: SHARE on the table of waybills while the index is built: writers wait for seconds where there are a few million rows. Deploy it in a quiet hour.
-- What merchants have to prepare. Of their waybills only those that wait with them, so that the index stays small however many days are kept.
-- Migrations run in one transaction each, so the index can not be built concurrently beforehand.
-- squawk-ignore require-concurrent-index-creation
create index waybill_to_prepare on fulfilment.waybill (merchant, state, id)
  where merchant <> '' and state in ('released', 'acknowledged', 'picked');
