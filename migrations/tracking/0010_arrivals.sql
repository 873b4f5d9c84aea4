-- Lock: none that anyone waits for; every table is new.
-- How far it is from one end of a lane to the other, as whoever knows has said.
create table tracking.lane (
  lane_from text not null,
  lane_to text not null,
  distance_km real not null check (distance_km >= 0 and distance_km <= 20100),
  primary key (lane_from, lane_to)
);

-- What was learned from history, by version: a later fitting is a new model, and the newest one tells. Old ones are kept for a while, so that
-- what was told can be explained.
create table tracking.arrival_model (
  id bigint generated always as identity primary key,
  -- Of the history that it was fitted on; nothing later is in it.
  until_at timestamptz not null,
  shipments integer not null,
  cases integer not null,
  utc_offset_minutes integer not null,
  fitted_at timestamptz not null
);

-- Its cells and weekday shifts, one row each, so that a read takes the few that it needs.
create table tracking.arrival_cell (
  model_id bigint not null,
  key text not null,
  worth real not null,
  -- Days by share (arrival/quantiles.ts); for a weekday one number, the days that it adds.
  days real[] not null,
  primary key (model_id, key)
);
