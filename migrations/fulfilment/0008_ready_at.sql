-- Lock: ACCESS EXCLUSIVE on fulfilment.waybill for a moment: a new column without a default.
-- When its goods will be ready for the truck, by the word of who prepares it; null: nobody has said, or they are packed.
alter table fulfilment.waybill add column ready_at timestamptz;
