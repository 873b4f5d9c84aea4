import { type ContextName, type Databases, type Scope, type Statement, statement } from '#platform/database.ts'

export interface OutboxRow {
  id: number
  key: string
  type: string
  schema_version: number
  payload: unknown
  trace_id: string
  rehearsal_id: string | null
  occurred_at: Date
}

interface Ask {
  readonly cursor: number
  readonly types: readonly string[]
  readonly most: number
  readonly answer: (rows: readonly OutboxRow[]) => void
  readonly fail: (error: unknown) => void
}

/** Consumers that stand further apart than this, ids, are read for by statements of their own. */
const togetherWithin = 200

/**
 * Reads one outbox for all of its consumers. A commit wakes them all at once, and they stand at nearly the same place: those that ask
 * in one turn of the event loop are answered by one statement, so that one backend wakes up instead of ten. A question never joins a
 * statement that was sent before it, for that one may not see what the asker was woken for.
 */
export class OutboxReader {
  readonly #databases: Databases
  readonly #from: ContextName
  readonly #scope: Scope
  readonly #read: Statement<OutboxRow>
  #asks: Ask[] = []

  constructor(databases: Databases, from: ContextName, scope: Scope) {
    this.#databases = databases
    this.#from = from
    this.#scope = scope
    // Payloads of unwanted types are not sent, but their ids are: a hole in the ids must mean an open or lost transaction.
    this.#read = statement<OutboxRow>(
      `${from}.read_outbox`,
      `select id, key, type, schema_version, case when type = any($2::text[]) then payload end as payload,
              trace_id, rehearsal_id, occurred_at
       from ${from}.outbox where id > $1 order by id limit $3`,
    )
  }

  /** Rows after `cursor` in the order of their ids, at most `most`; payloads of these types at least. Rows are shared: not to be changed. */
  after(cursor: number, types: readonly string[], most: number): Promise<readonly OutboxRow[]> {
    return new Promise((answer, fail) => {
      if (this.#asks.length === 0) setImmediate(() => this.#answerAll())
      this.#asks.push({ cursor, types, most, answer, fail })
    })
  }

  #answerAll(): void {
    const asks = this.#asks.toSorted((a, b) => a.cursor - b.cursor)
    this.#asks = []
    for (let at = 0; at < asks.length; ) {
      const lowest = asks[at]?.cursor ?? 0
      const beyond = asks.findIndex(({ cursor }, index) => index >= at && cursor > lowest + togetherWithin)
      const together = asks.slice(at, beyond === -1 ? asks.length : beyond)
      at += together.length
      void this.#answer(lowest, together)
    }
  }

  async #answer(lowest: number, asks: readonly Ask[]): Promise<void> {
    try {
      const types = [...new Set(asks.flatMap((ask) => ask.types))]
      // Between the lowest place and an asker's own lie at most as many rows as ids.
      const most = Math.max(...asks.map((ask) => ask.cursor - lowest + ask.most))
      const rows = await this.#databases.of(this.#from).read(this.#scope, (context) => context.query(this.#read, [lowest, types, most]))
      for (const ask of asks) ask.answer((ask.cursor === lowest ? rows : rows.filter(({ id }) => id > ask.cursor)).slice(0, ask.most))
    } catch (error) {
      for (const { fail } of asks) fail(error)
    }
  }
}
