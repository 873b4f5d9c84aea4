-- Lock: share on routing.assignment while the index is built: nothing is assigned meanwhile, seconds for some millions.
-- Waybills are assigned to a route over hours, so their rows lie on as many pages as there are; with the waybill and the state in the index, which
-- waybills a route has is read from one or two pages of it. Updates write as many entries as before (the state is in the predicates of other indexes
-- already), each of some forty bytes.
-- squawk-ignore require-concurrent-index-creation
create index assignment_of_route on routing.assignment (route_id, waybill_id) include (state);
