import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import { readKey, type SettlementLine } from './gateway.ts'

export const settlementOutcomes = ['matched', 'amount_differs', 'not_done', 'doubled', 'unknown', 'fee'] as const
/**
 * matched: what moved here; amount_differs: it moved, with another amount or currency; not_done: we do not hold it as done; doubled: another line
 * has settled it; unknown: it is nothing of ours; fee: it moves no money of an order.
 */
export type SettlementOutcome = (typeof settlementOutcomes)[number]

/** One line of a settlement file. The hash of the file and the line name it: the same file again is the same lines. */
export interface SettleLine extends SettlementLine {
  readonly gateway: string
  readonly fileHash: string
  readonly batch: string
}

export interface SettledLine {
  readonly outcome: SettlementOutcome
  readonly subjectKind: SubjectKind | null
  readonly subjectId: number | null
  /** What we hold of it, where that is another amount. */
  readonly heldMinor: number | null
  readonly first: boolean
}

type SubjectKind = 'charge' | 'capture' | 'refund' | 'chargeback'
interface Subject {
  readonly kind: SubjectKind
  readonly id: number
  readonly gateway: string
  readonly gatewayRef: string | null
  readonly amountMinor: number
  readonly currency: string
  readonly done: boolean
}

// One transaction at a time settles: it is rare work in large batches, and so a subject can be looked up, decided on and written without a race.
const lockSettling = statement('payments.lock_settling', `select pg_advisory_xact_lock(7004, 0)`)

const selectKnown = statement<{
  line: number
  outcome: SettlementOutcome
  subjectKind: SubjectKind | null
  subjectId: number | null
  asked: number
}>(
  'payments.known_settlement_lines',
  `select asked.position::int - 1 as asked, known.line, known.outcome, known.subject_kind as "subjectKind", known.subject_id as "subjectId"
   from unnest($1::text[], $2::text[], $3::int[]) with ordinality as asked (gateway, file_hash, line, position)
   join payments.settlement_line known using (gateway, file_hash, line)`,
)

const ofCharges = `select 'charge' as kind, attempt.id, attempt.gateway, attempt.gateway_ref as "gatewayRef", attempt.amount_minor as "amountMinor",
    request.currency, attempt.state = 'succeeded' and leg.mode = 'charge' as done
  from payments.attempt join payments.leg on leg.id = attempt.leg_id join payments.request on request.id = attempt.request_id`
const ofFollowUps = `select follow_up.kind, follow_up.id, follow_up.gateway, follow_up.gateway_ref as "gatewayRef", follow_up.amount_minor as "amountMinor",
    request.currency, follow_up.state = 'succeeded' as done
  from payments.follow_up join payments.request on request.id = follow_up.request_id`
const ofDisputes = `select 'chargeback' as kind, dispute.attempt_id as id, min(dispute.gateway) as gateway, null as "gatewayRef",
    sum(case when won then -dispute.amount_minor else dispute.amount_minor end)::bigint as "amountMinor", min(request.currency) as currency, true as done
  from payments.dispute join payments.request on request.id = dispute.request_id`

const selectById = statement<Subject>(
  'payments.settlement_subjects',
  `${ofCharges} where attempt.id = any($1::bigint[])
   union all ${ofFollowUps} where follow_up.id = any($2::bigint[]) and follow_up.kind in ('capture', 'refund')
   union all ${ofDisputes} where dispute.leg_id = any(array(select leg_id from payments.attempt where id = any($3::bigint[])))
     and dispute.attempt_id = any($3::bigint[]) group by dispute.attempt_id`,
)

/** A gateway books what was asked within some days before; a refund may be on its way for longer. */
const selectByReference = statement<Subject>(
  'payments.settlement_subjects_by_reference',
  `${ofCharges} where attempt.sent_at between $3::date - interval '7 days' and $4::date + interval '2 days'
     and attempt.gateway = any($1::text[]) and attempt.gateway_ref = any($2::text[])
   union all ${ofFollowUps} where follow_up.created_at between $3::date - interval '30 days' and $4::date + interval '2 days'
     and follow_up.gateway = any($1::text[]) and follow_up.gateway_ref = any($2::text[]) and follow_up.kind in ('capture', 'refund')`,
)

const selectTaken = statement<{ kind: SubjectKind; id: number }>(
  'payments.settled_subjects',
  `select line.subject_kind as kind, line.subject_id as id from unnest($1::text[], $2::bigint[]) as asked (kind, id)
   join payments.settlement_line line on line.subject_kind = asked.kind and line.subject_id = asked.id
     and line.outcome in ('matched', 'amount_differs') and line.subject_kind <> 'chargeback'`,
)

const upsertLines = statement(
  'payments.write_settlement_lines',
  `insert into payments.settlement_line (gateway, file_hash, line, batch, kind, key, gateway_ref, gross_minor, fee_minor, net_minor, currency, booked_on,
     outcome, subject_kind, subject_id, recorded_at)
   select asked.*, $16 from unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[],
     $10::bigint[], $11::text[], $12::date[], $13::text[], $14::text[], $15::bigint[]) as asked
   on conflict (gateway, file_hash, line) do update
   set outcome = excluded.outcome, subject_kind = excluded.subject_kind, subject_id = excluded.subject_id, recorded_at = excluded.recorded_at`,
)

const nameOf = ({ kind, id }: { kind: string; id: number }): string => `${kind} ${id}`
const openOutcomes: ReadonlySet<SettlementOutcome> = new Set(['unknown', 'not_done'])

/**
 * Keeps lines of settlement files, each with what it is of ours, 1 to 1,000. A line that was kept before answers as then; one that was nothing of
 * ours is looked up again, for a file may come before the gateway's answer. `installation` names whose keys are ours. Six statements.
 */
export async function settleLines(
  context: WriteContext,
  lines: readonly SettleLine[],
  installation: string,
): Promise<Outcome<SettledLine>[]> {
  if (lines.length === 0) return []
  await context.query(lockSettling)
  const known = new Map(
    (
      await context.query(selectKnown, [
        lines.map(({ gateway }) => gateway),
        lines.map(({ fileHash }) => fileHash),
        lines.map(({ line }) => line),
      ])
    ).map((row) => [row.asked, row]),
  )
  const subjects = await subjectsOf(context, lines, installation)
  const found = subjects.flatMap((subject) => subject ?? [])
  const taken = new Set(
    (await context.query(selectTaken, [found.map(({ kind }) => kind), found.map(({ id }) => id)])).map((row) => nameOf(row)),
  )
  const written = new Map<string, SettleLine & { outcome: SettlementOutcome; subject: Subject | undefined }>()
  const outcomes = lines.map((line, at): Outcome<SettledLine> => {
    const before = known.get(at)
    if (before !== undefined && !openOutcomes.has(before.outcome)) {
      const { outcome, subjectKind, subjectId } = before
      return accepted({ outcome, subjectKind, subjectId, heldMinor: null, first: false })
    }
    if (line.netMinor !== line.grossMinor - line.feeMinor)
      return refused(
        'payments.settlement_sum',
        `net ${line.netMinor} is not gross ${line.grossMinor} less fee ${line.feeMinor}`,
        '/netMinor',
      )
    const subject = subjects[at]
    const outcome = outcomeOf(line, subject, taken)
    if (subject !== undefined && (outcome === 'matched' || outcome === 'amount_differs') && subject.kind !== 'chargeback')
      taken.add(nameOf(subject))
    // A statement can not touch a row twice: of two of one name the last holds.
    written.set(JSON.stringify([line.gateway, line.fileHash, line.line]), { ...line, outcome, subject })
    return accepted({
      outcome,
      subjectKind: subject?.kind ?? null,
      subjectId: subject?.id ?? null,
      heldMinor: outcome === 'amount_differs' ? (subject?.amountMinor ?? null) : null,
      first: before === undefined,
    })
  })
  const rows = [...written.values()]
  if (rows.length > 0)
    await context.query(upsertLines, [
      rows.map(({ gateway }) => gateway),
      rows.map(({ fileHash }) => fileHash),
      rows.map(({ line }) => line),
      rows.map(({ batch }) => batch),
      rows.map(({ kind }) => kind),
      rows.map(({ key }) => key),
      rows.map(({ gatewayRef }) => gatewayRef),
      rows.map(({ grossMinor }) => grossMinor),
      rows.map(({ feeMinor }) => feeMinor),
      rows.map(({ netMinor }) => netMinor),
      rows.map(({ currency }) => currency),
      rows.map(({ bookedOn }) => bookedOn),
      rows.map(({ outcome }) => outcome),
      rows.map(({ subject }) => subject?.kind ?? null),
      rows.map(({ subject }) => subject?.id ?? null),
      context.now,
    ])
  return outcomes
}

function outcomeOf(line: SettleLine, subject: Subject | undefined, taken: ReadonlySet<string>): SettlementOutcome {
  if (line.kind === 'fee') return 'fee'
  if (subject === undefined) return 'unknown'
  if (!subject.done) return 'not_done'
  if (taken.has(nameOf(subject))) return 'doubled'
  // What goes out is below zero in a file; a dispute that we won comes back with its sign the other way.
  return Math.abs(line.grossMinor) === subject.amountMinor && line.currency === subject.currency ? 'matched' : 'amount_differs'
}

/** What each line is about: by our key, or, where the gateway does not send it, by its own reference. */
async function subjectsOf(context: ReadContext, lines: readonly SettleLine[], installation: string): Promise<(Subject | undefined)[]> {
  const keys = lines.map(({ key }) => {
    const read = key === null ? undefined : readKey(key)
    return read?.installation === installation && read.traffic === context.traffic ? read : undefined
  })
  const idsOf = (wanted: (line: SettleLine, kind: string) => boolean): number[] =>
    keys.flatMap((key, at) => (key !== undefined && wanted(lines[at] as SettleLine, key.kind) ? [key.id] : []))
  const byId = await context.query(selectById, [
    idsOf((line, kind) => line.kind !== 'chargeback' && kind === 'charge'),
    idsOf((_, kind) => kind === 'capture' || kind === 'refund'),
    idsOf((line, kind) => line.kind === 'chargeback' && kind === 'charge'),
  ])
  const keyless = lines.filter(({ key, kind }) => key === null && (kind === 'charge' || kind === 'refund'))
  const days = keyless.map(({ bookedOn }) => bookedOn).toSorted()
  const byReference =
    keyless.length === 0
      ? []
      : await context.query(selectByReference, [
          [...new Set(keyless.map(({ gateway }) => gateway))],
          keyless.map(({ gatewayRef }) => gatewayRef),
          days[0],
          days.at(-1),
        ])
  const ofId = new Map(byId.map((subject) => [nameOf(subject), subject]))
  const isOut = (kind: string): boolean => kind === 'refund'
  const ofReference = new Map(byReference.map((subject) => [`${subject.gateway} ${isOut(subject.kind)} ${subject.gatewayRef}`, subject]))
  return lines.map((line, at) => {
    const key = keys[at]
    if (key !== undefined) {
      const subject = ofId.get(nameOf({ kind: line.kind === 'chargeback' ? 'chargeback' : key.kind, id: key.id }))
      return subject?.gateway === line.gateway ? subject : undefined
    }
    return line.key === null ? ofReference.get(`${line.gateway} ${isOut(line.kind)} ${line.gatewayRef}`) : undefined
  })
}

export interface SettlementBreak {
  readonly id: number
  readonly gateway: string
  readonly batch: string
  readonly line: number
  readonly kind: SettlementLine['kind']
  readonly key: string | null
  readonly gatewayRef: string
  readonly grossMinor: number
  readonly currency: string
  readonly outcome: SettlementOutcome
  readonly subjectKind: SubjectKind | null
  readonly subjectId: number | null
}

const selectBreaks = statement<SettlementBreak & { asked: number }>(
  'payments.settlement_breaks',
  `select asked.position::int as asked, found.* from unnest($1::text[], $2::bigint[], $3::int[]) with ordinality as asked (gateway, after, most, position)
   cross join lateral (
     select id, gateway, batch, line, kind, key, gateway_ref as "gatewayRef", gross_minor as "grossMinor", currency, outcome, subject_kind as "subjectKind",
       subject_id as "subjectId"
     from payments.settlement_line
     where settlement_line.gateway = asked.gateway and settlement_line.id > asked.after and settlement_line.outcome not in ('matched', 'fee')
     order by settlement_line.id limit asked.most
   ) as found order by asked.position, found.id`,
)

/** Lines that somebody has to look at, by rising id. */
export async function settlementBreaks(
  context: ReadContext,
  pages: readonly { readonly gateway: string; readonly after: number; readonly limit: number }[],
): Promise<SettlementBreak[][]> {
  const rows = await context.query(selectBreaks, [
    pages.map(({ gateway }) => gateway),
    pages.map(({ after }) => after),
    pages.map(({ limit }) => limit),
  ])
  const lists: SettlementBreak[][] = pages.map(() => [])
  for (const { asked, ...row } of rows) lists[asked - 1]?.push(row)
  return lists
}
