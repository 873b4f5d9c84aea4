-- Lock: none that anyone waits for; every table is new.
-- Who prepares waybills that are not our own warehouse's. The id is the one that orders and waybills carry.
create table merchants.merchant (
  id text primary key,
  name text not null,
  created_at timestamptz not null,
  changed_at timestamptz not null
);

-- Where a merchant prepares. Its hours are put and read with it, so they are two columns and not two tables. Times are of its own zone.
create table merchants.store (
  merchant_id text not null references merchants.merchant (id),
  id text not null,
  name text not null,
  address json not null,
  zone text not null,
  weekly json not null,
  exceptions json not null,
  changed_at timestamptz not null,
  primary key (merchant_id, id)
);

-- What a merchant brings its goods with.
create table merchants.vehicle (
  merchant_id text not null references merchants.merchant (id),
  id text not null,
  plate text not null,
  goods_type text not null check (goods_type in ('dry', 'frozen', 'mixed')),
  weight_grams bigint not null check (weight_grams > 0),
  volume_ml bigint not null check (volume_ml > 0),
  changed_at timestamptz not null,
  primary key (merchant_id, id)
);
