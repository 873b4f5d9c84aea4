import { statement, type WriteContext } from '#platform/database.ts'
import { currentContext } from '#platform/request-context.ts'
import { flagNames } from './cascade.ts'
import { storedPart } from './lock-orders.ts'
import { type Line, lineOf, detailOf, type Order, type OrderItem, type OrderSection, type StateChange } from './order.ts'

/** What one command changed in one order: a row of the log. */
export interface LogEntry {
  readonly orderId: number
  readonly changes: readonly StateChange[]
  readonly cause: string
  readonly commandId: string
  readonly actor: string
}

/** An order as it was read and as it shall be. */
export interface ChangedOrder {
  readonly before: Order
  readonly after: Order
}

const write = statement(
  'orders.write_changes',
  `with items as (
     update orders.item i set state = m.to_state, version = i.version + 1
     from unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[]) as m (order_id, item_no, from_state, to_state)
     where i.order_id = m.order_id and i.item_no = m.item_no and i.state = m.from_state
     returning 1
   ), sections as (
     update orders.section s set state = m.to_state, money_state = m.money_to, attention = m.attention::text[], version = s.version + 1
     from unnest($5::bigint[], $6::smallint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])
       as m (order_id, section_no, from_state, to_state, money_from, money_to, attention)
     where s.order_id = m.order_id and s.section_no = m.section_no and s.state = m.from_state and s.money_state = m.money_from
     returning 1
   ), heads as (
     update orders.orders o set state = m.to_state, money_state = m.money_to, attention = m.attention::text[], parts = m.parts,
       version = o.version + 1, changed_at = $28
     from unnest($12::bigint[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::json[])
       as m (id, from_state, to_state, money_from, money_to, attention, parts)
     where o.id = m.id and o.state = m.from_state and o.money_state = m.money_from
     returning 1
   ), log as (
     insert into orders.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select root, levels::text[], entities::text[], from_states::text[], to_states::text[], cause, command_id, actor, $29, $30, $28
     from unnest($19::bigint[], $20::text[], $21::text[], $22::text[], $23::text[], $24::text[], $25::text[], $26::text[])
       as c (root, levels, entities, from_states, to_states, cause, command_id, actor)
   )
   select orders.expect_changed($27, (select count(*) from items) + (select count(*) from sections) + (select count(*) from heads))`,
)

// Rows that change in more than their state, and rows that are new. Sent only when a batch has such.
const rewrite = statement(
  'orders.rewrite_rows',
  `with lines as (
     update orders.item i set state = m.to_state, section_no = m.section_no, part = m.part, flags = m.flags::text[],
       quantity = coalesce(m.quantity, i.quantity), unit_price_minor = coalesce(m.unit_price_minor, i.unit_price_minor),
       discount_minor = coalesce(m.discount_minor, i.discount_minor), tax_minor = coalesce(m.tax_minor, i.tax_minor), version = i.version + 1
     from unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[], $5::smallint[], $6::smallint[], $7::integer[], $8::bigint[],
         $9::bigint[], $10::bigint[], $11::text[])
       as m (order_id, item_no, from_state, to_state, section_no, part, quantity, unit_price_minor, discount_minor, tax_minor, flags)
     where i.order_id = m.order_id and i.item_no = m.item_no and i.state = m.from_state
     returning 1
   ), born as (
     insert into orders.item (order_id, item_no, section_no, part, state, flags, sku, sku_type, quantity, unit_price_minor, discount_minor,
       tax_minor, weight_grams, volume_ml, origin_item_no, origin_kind)
     select order_id, item_no, section_no, part, state, flags::text[], sku, sku_type, quantity, unit_price_minor, discount_minor, tax_minor,
       weight_grams, volume_ml, origin_item_no, origin_kind
     from unnest($12::bigint[], $13::smallint[], $14::smallint[], $15::smallint[], $16::text[], $17::text[], $18::text[], $19::text[],
         $20::integer[], $21::bigint[], $22::bigint[], $23::bigint[], $24::integer[], $25::integer[], $26::smallint[], $27::text[])
       as b (order_id, item_no, section_no, part, state, flags, sku, sku_type, quantity, unit_price_minor, discount_minor, tax_minor,
         weight_grams, volume_ml, origin_item_no, origin_kind)
   )
   select orders.expect_changed($28, (select count(*) from lines))`,
)

const rewriteHeads = statement(
  'orders.rewrite_heads',
  `with sections as (
     insert into orders.section (order_id, section_no, part, state, money_state, attention, held, destination, slot_date, slot_code,
       merchant_id, shipping_minor, merged_into)
     select order_id, section_no, part, state, money_state, attention::text[], held, destination, slot_date, slot_code, merchant_id,
       shipping_minor, merged_into
     from unnest($1::bigint[], $2::smallint[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::json[], $9::date[],
         $10::text[], $11::text[], $12::bigint[], $13::smallint[])
       as n (order_id, section_no, part, state, money_state, attention, held, destination, slot_date, slot_code, merchant_id,
         shipping_minor, merged_into)
     on conflict (order_id, section_no) do update set held = excluded.held, destination = excluded.destination,
       slot_date = excluded.slot_date, slot_code = excluded.slot_code, merchant_id = excluded.merchant_id,
       shipping_minor = excluded.shipping_minor, merged_into = excluded.merged_into
   )
   update orders.orders o set total_minor = h.total_minor, held = h.held, duplicate_of = h.duplicate_of
   from unnest($14::bigint[], $15::bigint[], $16::boolean[], $17::bigint[]) as h (id, total_minor, held, duplicate_of) where o.id = h.id`,
)

const writeHolds = statement(
  'orders.write_holds',
  `with released as (
     update orders.hold h set released_at = $9, released_by = r.actor
     from unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[]) as r (order_id, section_no, owner, actor)
     where h.order_id = r.order_id and h.section_no = r.section_no and h.owner = r.owner and h.released_at is null
   )
   insert into orders.hold (order_id, section_no, owner, reason, held_at, held_by)
   select order_id, section_no, owner, reason, $9, actor
   from unnest($5::bigint[], $6::smallint[], $7::text[], $8::text[], $10::text[]) as n (order_id, section_no, owner, reason, actor)`,
)

const flagsText = (bits: number): string => (bits === 0 ? '{}' : literal(flagNames(bits)))

/**
 * Writes orders by compare-and-set, with their history, at the end of the transaction. Where a row has been changed underneath,
 * without the order's lock, the statement itself fails as a serialization failure, and all is read and decided again.
 */
export function deferWrites(context: WriteContext, orders: readonly ChangedOrder[], log: readonly LogEntry[]): void {
  if (orders.length === 0) return
  const items: { id: number; was: OrderItem; is: OrderItem }[] = []
  const rows: { id: number; was: OrderItem | undefined; is: OrderItem }[] = []
  const sections: { id: number; was: OrderSection; is: OrderSection }[] = []
  const details: { id: number; is: OrderSection }[] = []
  for (const { before, after } of orders) {
    const { id } = after
    if (after.items !== before.items) {
      after.items.forEach((is, at) => {
        const was = before.items[at]
        if (was === is) return
        if (was === undefined || !sameButState(was, is)) rows.push({ id, was, is })
        else if (was.state !== is.state) items.push({ id, was, is })
      })
    }
    if (after.sections === before.sections) continue
    after.sections.forEach((is, at) => {
      const was = before.sections[at]
      if (was === is) return
      if (was === undefined || was.detail !== is.detail || was.held !== is.held) details.push({ id, is })
      if (was !== undefined && (was.state !== is.state || was.moneyState !== is.moneyState || was.attention !== is.attention))
        sections.push({ id, was, is })
    })
  }
  if (rows.length > 0) deferRows(context, rows)
  const heads = orders.filter(
    ({ before, after }) =>
      before.totalMinor !== after.totalMinor || before.held !== after.held || before.detail?.duplicateOf !== after.detail?.duplicateOf,
  )
  if (details.length > 0 || heads.length > 0) deferDetails(context, details, heads)
  const told = log.filter(({ changes }) => changes.length > 0)
  const texts = told.map(({ changes }) => logTexts(changes))
  context.defer(write, [
    items.map(({ id }) => id),
    items.map(({ is }) => is.itemNo),
    items.map(({ was }) => was.state),
    items.map(({ is }) => is.state),
    sections.map(({ id }) => id),
    sections.map(({ is }) => is.sectionNo),
    sections.map(({ was }) => was.state),
    sections.map(({ is }) => is.state),
    sections.map(({ was }) => was.moneyState),
    sections.map(({ is }) => is.moneyState),
    sections.map(({ is }) => flagsText(is.attention)),
    orders.map(({ after }) => after.id),
    orders.map(({ before }) => before.state),
    orders.map(({ after }) => after.state),
    orders.map(({ before }) => before.moneyState),
    orders.map(({ after }) => after.moneyState),
    orders.map(({ after }) => flagsText(after.attention)),
    orders.map(({ after }) => JSON.stringify(after.parts.map(storedPart))),
    told.map(({ orderId }) => orderId),
    texts.map(({ levels }) => levels),
    texts.map(({ entities }) => entities),
    texts.map(({ from }) => from),
    texts.map(({ to }) => to),
    told.map(({ cause }) => cause),
    told.map(({ commandId }) => commandId),
    told.map(({ actor }) => actor),
    items.length + sections.length + orders.length,
    context.now,
    context.traffic,
    context.rehearsalId,
  ])
}

const sameButState = (was: OrderItem, is: OrderItem): boolean =>
  was.sectionNo === is.sectionNo && was.part === is.part && was.flags === is.flags && was.line === is.line

/** A row whose line was not read keeps it: only its flags can have changed then. */
function deferRows(context: WriteContext, rows: readonly { id: number; was: OrderItem | undefined; is: OrderItem }[]): void {
  const old = rows.flatMap(({ id, was, is }) => (was === undefined ? [] : [{ id, was, is }]))
  const born = rows.filter(({ was }) => was === undefined)
  const known = (of: (line: Line) => unknown) => old.map(({ is }) => (is.line === undefined ? null : of(is.line)))
  const lines = (of: (line: Line) => unknown) => born.map(({ is }) => of(lineOf(is)))
  context.defer(rewrite, [
    old.map(({ id }) => id),
    old.map(({ is }) => is.itemNo),
    old.map(({ was }) => was.state),
    old.map(({ is }) => is.state),
    old.map(({ is }) => is.sectionNo),
    old.map(({ is }) => is.part),
    known(({ quantity }) => quantity),
    known(({ unitPriceMinor }) => unitPriceMinor),
    known(({ discountMinor }) => discountMinor),
    known(({ taxMinor }) => taxMinor),
    old.map(({ is }) => flagsText(is.flags)),
    born.map(({ id }) => id),
    born.map(({ is }) => is.itemNo),
    born.map(({ is }) => is.sectionNo),
    born.map(({ is }) => is.part),
    born.map(({ is }) => is.state),
    born.map(({ is }) => flagsText(is.flags)),
    lines(({ sku }) => sku),
    lines(({ skuType }) => skuType),
    lines(({ quantity }) => quantity),
    lines(({ unitPriceMinor }) => unitPriceMinor),
    lines(({ discountMinor }) => discountMinor),
    lines(({ taxMinor }) => taxMinor),
    lines(({ weightGrams }) => weightGrams),
    lines(({ volumeMl }) => volumeMl),
    lines(({ originItemNo }) => originItemNo),
    lines(({ originKind }) => originKind),
    old.length,
  ])
}

function deferDetails(context: WriteContext, sections: readonly { id: number; is: OrderSection }[], heads: readonly ChangedOrder[]): void {
  context.defer(rewriteHeads, [
    sections.map(({ id }) => id),
    sections.map(({ is }) => is.sectionNo),
    sections.map(({ is }) => is.part),
    sections.map(({ is }) => is.state),
    sections.map(({ is }) => is.moneyState),
    sections.map(({ is }) => flagsText(is.attention)),
    sections.map(({ is }) => is.held),
    sections.map(({ is }) => JSON.stringify(detailOf(is).destination)),
    sections.map(({ is }) => detailOf(is).slot?.date ?? null),
    sections.map(({ is }) => detailOf(is).slot?.code ?? null),
    sections.map(({ is }) => detailOf(is).merchantId),
    sections.map(({ is }) => detailOf(is).shippingMinor),
    sections.map(({ is }) => detailOf(is).mergedInto),
    heads.map(({ after }) => after.id),
    heads.map(({ after }) => after.totalMinor),
    heads.map(({ after }) => after.held),
    heads.map(({ after }) => after.detail?.duplicateOf ?? null),
  ])
}

/** One hold that was put on or taken off, and by whom. */
export interface HoldWrite {
  readonly orderId: number
  readonly sectionNo: number
  readonly owner: string
  readonly reason: string
  readonly actor: string
}

export function deferHolds(context: WriteContext, held: readonly HoldWrite[], released: readonly HoldWrite[]): void {
  if (held.length + released.length === 0) return
  context.defer(writeHolds, [
    released.map(({ orderId }) => orderId),
    released.map(({ sectionNo }) => sectionNo),
    released.map(({ owner }) => owner),
    released.map(({ actor }) => actor),
    held.map(({ orderId }) => orderId),
    held.map(({ sectionNo }) => sectionNo),
    held.map(({ owner }) => owner),
    held.map(({ reason }) => reason),
    context.now,
    held.map(({ actor }) => actor),
  ])
}

const plainWord = /^(?!null$)[\w.+-]+$/i

/** States, levels and numbers come again and again: each is looked at once. */
const written = new Map<string, string>()

function writtenWord(word: string): string {
  let text = written.get(word)
  if (text === undefined) {
    text = plainWord.test(word) ? word : `"${word.replace(/["\\]/g, '\\$&')}"`
    if (written.size < 10_000) written.set(word, text)
  }
  return text
}

/** A text array as PostgreSQL writes it, inside one array parameter more. */
export function literal(words: readonly string[]): string {
  return `{${words.map(writtenWord).join(',')}}`
}

/** The four arrays of a log row, in one walk over its changes. */
function logTexts(changes: readonly StateChange[]): { levels: string; entities: string; from: string; to: string } {
  let [levels, entities, from, to] = ['{', '{', '{', '{']
  let comma = ''
  for (const change of changes) {
    levels += comma + change.level
    entities += comma + writtenWord(change.entity)
    from += comma + writtenWord(change.from)
    to += comma + writtenWord(change.to)
    comma = ','
  }
  return { levels: `${levels}}`, entities: `${entities}}`, from: `${from}}`, to: `${to}}` }
}

const toConfirm = statement(
  'orders.note_delivered',
  `insert into orders.to_confirm (order_id, delivered_at) select id, $2 from unnest($1::bigint[]) as d (id)
   on conflict (order_id) do update set delivered_at = excluded.delivered_at`,
)

/** Orders of which something was delivered now, for the round that confirms them some days after the last delivery. */
export function deferDelivered(context: WriteContext, ids: readonly number[]): void {
  if (ids.length > 0) context.defer(toConfirm, [ids, context.now])
}

/** A row as `orders.paid` tells of it; weight and volume of the whole line. */
const row = `'itemNo', i.item_no, 'sku', i.sku, 'skuType', i.sku_type, 'quantity', i.quantity,
  'weightGrams', i.quantity * i.weight_grams, 'volumeMl', i.quantity * i.volume_ml`

/**
 * Announces `orders.paid` (events.ts) with the sections and paid items of a part as they stand, straight from the tables into the
 * outbox: through us it would be parsed, printed and escaped once more for each order. What is withheld by a hold stays out.
 */
const announcePaid = statement(
  'orders.announce_paid',
  announcement(
    `unnest($1::bigint[], $2::smallint[]) as paid (order_id, part)`,
    `i.part = paid.part and i.state = 'paid' and not 'withheld' = any(i.flags)`,
  ),
)

/** The same for items that a hold had withheld. */
const announceReleased = statement(
  'orders.announce_released',
  announcement(
    `(select order_id, part, array_agg(item_no) as items from unnest($1::bigint[], $2::smallint[], $6::smallint[]) as r (order_id, part, item_no)
      group by order_id, part) as paid`,
    `i.part = paid.part and i.item_no = any(paid.items)`,
  ),
)

// The inner `offset 0` keeps the sections from being put together twice, once to be looked at and once to be told.
function announcement(from: string, items: string): string {
  return `with writer as materialized (select pg_current_xact_id() as tx)
   insert into orders.outbox (tx, key, type, schema_version, payload, trace_id, rehearsal_id, occurred_at)
   select writer.tx, told.id::text, 'orders.paid', 1,
     json_build_object('orderId', told.id, 'number', told.number, 'placedAt', told.placed_at, 'part', told.part, 'sections', told.sections), $3, $4, $5
   from writer, (
     select o.id, o.number, o.placed_at, paid.part,
       (select json_agg(json_build_object('sectionNo', s.section_no, 'destination', s.destination, 'merchantId', s.merchant_id,
            'slot', case when s.slot_date is not null then json_build_object('date', s.slot_date, 'code', s.slot_code) end,
            'items', lines.items) order by s.section_no)
        from orders.section s, lateral (
          select json_agg(case when i.origin_kind in ('exchange', 'reship')
            then json_build_object(${row}, 'replaces', i.origin_item_no) else json_build_object(${row}) end order by i.item_no) as items
          from orders.item i where i.order_id = o.id and i.section_no = s.section_no and ${items}
        ) as lines where s.order_id = o.id and lines.items is not null) as sections
     from ${from} cross join lateral (select id, number, placed_at from orders.orders where id = paid.order_id offset 0) as o
     offset 0) as told where told.sections is not null order by told.id, told.part`
}

export interface PaidPart {
  readonly orderId: number
  readonly part: number
}

export function deferPaidEvents(context: WriteContext, parts: readonly PaidPart[]): void {
  if (parts.length === 0) return
  context.deferEvents(announcePaid, [
    parts.map(({ orderId }) => orderId),
    parts.map(({ part }) => part),
    currentContext()?.traceId ?? '',
    context.rehearsalId,
    context.now,
  ])
}

export function deferReleasedEvents(context: WriteContext, items: readonly (PaidPart & { readonly itemNo: number })[]): void {
  if (items.length === 0) return
  context.deferEvents(announceReleased, [
    items.map(({ orderId }) => orderId),
    items.map(({ part }) => part),
    currentContext()?.traceId ?? '',
    context.rehearsalId,
    context.now,
    items.map(({ itemNo }) => itemNo),
  ])
}
