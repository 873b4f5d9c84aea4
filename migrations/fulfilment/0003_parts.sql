-- Lock: ACCESS EXCLUSIVE on the table of waybills while its unique index is built anew: seconds for a few million rows. Deploy it in a quiet hour.
-- An order may pay for a section again (items added later, an exchange): what that releases is a delivery of its own.
alter table fulfilment.waybill add column part smallint not null default 0;
alter table fulfilment.waybill drop constraint waybill_order_id_section_no_sku_type_merchant_purpose_key;
-- Migrations run in one transaction each, so the index can not be built concurrently beforehand.
-- squawk-ignore require-concurrent-index-creation
create unique index waybill_once on fulfilment.waybill (order_id, section_no, sku_type, merchant, purpose, part);
