-- Lock: access exclusive on fulfilment.change for an instant; nothing is written anew, and the version before goes on writing as it did.
-- A line tells of one waybill at one level, and each of its steps begins where the one before ended. Four arrays said so for every step, and at
-- some forty bytes an array they were more than half of the row, of what is logged for a report, and of what a history reads. Lines of both kinds
-- stay; a later migration may write the old ones anew.
alter table fulfilment.change
  add column level text,
  add column states text[];
-- squawk-ignore ban-drop-not-null
alter table fulfilment.change alter column levels drop not null;
-- squawk-ignore ban-drop-not-null
alter table fulfilment.change alter column entities drop not null;
-- squawk-ignore ban-drop-not-null
alter table fulfilment.change alter column from_states drop not null;
-- squawk-ignore ban-drop-not-null
alter table fulfilment.change alter column to_states drop not null;
alter table fulfilment.change add constraint change_told_once
  check (num_nonnulls(states, to_states) = 1 and (states is null) = (level is null) and (states is null or cardinality(states) >= 2)) not valid;
comment on column fulfilment.change.states is 'what it was, then what it became, step by step; the first is empty at its birth';

create or replace view fulfilment.change_log as
select change.id as sequence, step.position::bigint, change.root, coalesce(change.level, change.levels[step.position]) as level,
       change.root::text as entity, coalesce(change.states[step.position], change.from_states[step.position]) as from_state,
       coalesce(change.states[step.position + 1], change.to_states[step.position]) as to_state,
       change.cause, change.command_id, change.actor, change.traffic, change.rehearsal_id, change.occurred_at
from fulfilment.change
cross join lateral generate_series(1, coalesce(cardinality(change.states) - 1, cardinality(change.to_states))) as step (position);

create or replace function fulfilment.note_waybill_changed_by_hand() returns trigger language plpgsql as $$
begin
  insert into fulfilment.change (root, level, states, cause, command_id, actor, traffic, occurred_at)
  values (new.id, 'waybill', array[old.state, new.state], 'by hand', '', session_user,
          coalesce(nullif(current_setting('throughline.traffic', true), ''), 'live'), clock_timestamp());
  return null;
end $$;
