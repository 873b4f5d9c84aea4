-- Lock: share update exclusive on tracking.shipment, a moment.
-- Shipments that were opened together are told of together: a batch of facts rewrites every row of a page in one transaction. With a fifth of the
-- page free most of them went to another page, each with an entry in all four indexes; half of it holds them all.
alter table tracking.shipment set (fillfactor = 50);
