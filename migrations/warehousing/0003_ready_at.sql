-- Lock: ACCESS EXCLUSIVE on warehousing.sales_order for a moment: a new column without a default.
-- When it will be ready for the truck, by the warehouse's word; null: nothing was said.
alter table warehousing.sales_order add column ready_at timestamptz;
