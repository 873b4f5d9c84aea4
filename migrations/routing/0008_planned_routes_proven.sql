-- Lock: SHARE UPDATE EXCLUSIVE on routing.route and routing.zone while their rows are looked through.
alter table routing.route validate constraint route_state;
alter table routing.route validate constraint route_times;
alter table routing.zone validate constraint zone_planning;
