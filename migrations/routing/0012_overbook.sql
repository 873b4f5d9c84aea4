-- Lock: ACCESS EXCLUSIVE on routing.quota_rule and routing.quota for a moment each: new columns; SHARE on routing.quota_ledger while its burns are looked for: a scan of it.
-- A rule may plan its places as trucks × stops, and sell more of them than there are by what was learned: at most so many percent (100: none).
alter table routing.quota_rule add column stops_per_truck integer;
alter table routing.quota_rule add column overbook_most integer not null default 100;
alter table routing.quota_rule add constraint quota_rule_overbook check (
  overbook_most between 100 and 150 and (stops_per_truck is null or (stops_per_truck > 0 and trucks is not null))) not valid;
-- How its capacity came about, where it is not simply what was set.
alter table routing.quota add column why text;
-- What was learned of the places of a zone, slot and SKU type, once a day: dates with places sold, how many, and how many of them were lost after the cut-off.
create table routing.quota_learned (
  zone_id bigint not null,
  slot_code text not null,
  sku_type text not null,
  learned_on text not null,
  dates integer not null,
  used integer not null,
  burnt integer not null,
  percent integer not null check (percent between 100 and 150),
  primary key (zone_id, slot_code, sku_type)
);
-- squawk-ignore require-concurrent-index-creation
create index quota_ledger_burn on routing.quota_ledger (quota_id) where kind = 'burn';
