-- Lock: access exclusive on tracking.event while its key is built anew, about two minutes for forty million facts. Deploy it in a quiet hour.
-- The facts of a shipment come over days, so their rows lie on as many pages as there are facts, and a timeline that nobody had asked for lately read all of
-- them from the disk. With all that a timeline shows in the key they lie next to each other: one or two pages. The longest of each text together, at four
-- bytes a letter, are 2.3 kB; an entry may have 2.7 kB.
alter table tracking.event drop constraint event_pkey;
-- squawk-ignore constraint-missing-not-valid, adding-serial-primary-key-field
alter table tracking.event add constraint event_pkey primary key (shipment_id, occurred_at, id)
  include (code, milestone, attempt, zone_known, place, source, source_id, voids, detail);
