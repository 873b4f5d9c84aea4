import { type ReadContext, statement } from '#platform/database.ts'

/** A table of facts as it is walked over: by the instant that analysts cut it by, then by its key, so that no row is met twice. */
export interface FactTable {
  readonly name: string
  /** Column of the instant that `from` and `until` speak of; it never changes. */
  readonly at: string
  /** Columns that, after the instant, name one row; with their types in SQL. */
  readonly key: readonly (readonly [column: string, type: string])[]
}

/** What there is to read and to export. Columns are read from the database, their texts are its comments: one source. */
export const factTables: readonly FactTable[] = [
  {
    name: 'item_fact',
    at: 'placed_at',
    key: [
      ['order_id', 'bigint'],
      ['item_no', 'smallint'],
    ],
  },
  { name: 'order_fact', at: 'placed_at', key: [['order_id', 'bigint']] },
  {
    name: 'payment_fact',
    at: 'moved_at',
    key: [
      ['kind', 'text'],
      ['subject_id', 'bigint'],
    ],
  },
  { name: 'claim_fact', at: 'requested_at', key: [['claim_id', 'bigint']] },
  { name: 'payment_failure_fact', at: 'failed_at', key: [['event_id', 'bigint']] },
]

export interface FactColumn {
  readonly name: string
  /** As PostgreSQL names it: bigint, integer, smallint, text, boolean, timestamp with time zone. */
  readonly type: string
  readonly nullable: boolean
}

/** Where a walk stands: the instant, to the microsecond and as text, and the key of the last row met. */
export type FactPlace = readonly unknown[]

export interface FactPage {
  readonly rows: Readonly<Record<string, unknown>>[]
  /** null at the end. */
  readonly next: FactPlace | null
}

const columnsOf = statement<FactColumn>(
  'analytics.fact_columns',
  `select attname as name, format_type(atttypid, atttypmod) as type, not attnotnull as nullable
   from pg_attribute where attrelid = ('analytics.' || $1)::regclass and attnum > 0 and not attisdropped order by attnum`,
)

/** Columns of a table of facts, in their order. */
export const readFactColumns = (context: ReadContext, { name }: FactTable): Promise<FactColumn[]> => context.query(columnsOf, [name])

const pages = new Map(
  factTables.map((table) => {
    const place = [table.at, ...table.key.map(([column]) => column)].join(', ')
    const after = ['$1::timestamptz', ...table.key.map(([, type], index) => `$${index + 2}::${type}`)].join(', ')
    const next = table.key.length + 2
    // Two bounds below, so that the first page and those after it are one statement; the index gives both as one range.
    return [
      table.name,
      statement<Record<string, unknown>>(
        `analytics.page_of_${table.name}`,
        `select *, ${table.at}::text as place_at from analytics.${table.name}
         where (${place}) > (${after}) and ${table.at} < $${next}::timestamptz
         order by ${place} limit $${next + 1}`,
      ),
    ]
  }),
)

/**
 * Rows of a table with `from` <= its instant < `until`, rising, at most `most`. Start with `startOf`, go on with `next`. Pages are read
 * one by one, not in one snapshot: a row that changes meanwhile is met once, as it was or as it is.
 */
export async function readFactPage(
  context: ReadContext,
  table: FactTable,
  { place, until, most }: { readonly place: FactPlace; readonly until: Date | null; readonly most: number },
): Promise<FactPage> {
  const asked = pages.get(table.name)
  if (asked === undefined) throw new Error(`no table of facts is named ${table.name}`)
  const found = await context.query(asked, [...place, until ?? 'infinity', most])
  const last = found.at(-1)
  const next = last === undefined || found.length < most ? null : [last['place_at'], ...table.key.map(([column]) => last[column])]
  return { rows: found.map(({ place_at: _, ...row }) => row), next }
}

/** Before the first row at or after an instant: ids begin at 1 and no kind is empty. */
export function startOf(table: FactTable, from: Date | null): FactPlace {
  return [from ?? '-infinity', ...table.key.map(([, type]) => (type === 'text' ? '' : 0))]
}
