// pg marks its own parts by an underscore.
// oxlint-disable no-underscore-dangle
import pg from 'pg'

/** A statement with its values as PostgreSQL reads them (`parametersOf`). */
export interface PreparedStatement {
  readonly name: string
  readonly text: string
  readonly values: (string | Buffer | null)[]
}

/** What pg learns about the rows of a statement from its description. */
interface Shape {
  fields: unknown
  _parsers: unknown
  _prebuiltEmptyResultObject: unknown
}

interface Connection {
  readonly parsedStatements: Readonly<Record<string, string | undefined>>
  bind(message: object): void
  execute(): void
  sync(): void
}

type Done<Row extends pg.QueryResultRow> = (error: Error | null | undefined, result: pg.QueryResult<Row>) => void

/** The parts of pg's query that are not in its types. `client.query` takes a query of one's own, and pipelines those that descend from its own. */
interface QueryParts {
  readonly name: string
  readonly values: unknown[]
  readonly _result: Shape
  _accumulateRows: boolean
  prepare(connection: Connection): void
  handleRowDescription(message: unknown): void
  handleCommandComplete(message: unknown, connection: Connection): void
}
const Query = pg.Query as unknown as new (config: PreparedStatement) => QueryParts

/** By connection and name of the statement. PostgreSQL refuses to run a prepared statement whose rows have come to look otherwise, so they stay true. */
const shapes = new WeakMap<Connection, Map<string, Shape>>()
const noRows: Shape = { fields: [], _parsers: undefined, _prebuiltEmptyResultObject: {} }

/**
 * pg's query, but that what its rows look like is asked once a connection and not with every run: to describe twenty columns, send and read that
 * is a third of what a look-up by key costs us, and costs PostgreSQL a look into its catalogue for each of them.
 */
class PreparedQuery extends Query {
  #learn: Map<string, Shape> | undefined

  override prepare(connection: Connection): void {
    let known = shapes.get(connection)
    if (known === undefined) shapes.set(connection, (known = new Map()))
    const shape = known.get(this.name)
    if (shape === undefined || connection.parsedStatements[this.name] === undefined) {
      this.#learn = known
      super.prepare(connection)
      return
    }
    this._result.fields = shape.fields
    this._result._parsers = shape._parsers
    this._result._prebuiltEmptyResultObject = shape._prebuiltEmptyResultObject
    this._accumulateRows = true
    connection.bind({ statement: this.name, values: this.values })
    connection.execute()
    connection.sync()
  }

  override handleRowDescription(message: unknown): void {
    super.handleRowDescription(message)
    const { fields, _parsers, _prebuiltEmptyResultObject } = this._result
    this.#learn?.set(this.name, { fields, _parsers, _prebuiltEmptyResultObject })
    this.#learn = undefined
  }

  override handleCommandComplete(message: unknown, connection: Connection): void {
    this.#learn?.set(this.name, noRows)
    super.handleCommandComplete(message, connection)
  }
}

/**
 * Runs a statement, or a plain text without values, on a pool or on a connection of it.
 *
 * Not by pg's own promise: that is settled by a function which pg writes to a property of the query, and V8 puts functions that are written so into
 * the old generation at once. Through it every row outlived its reader until the next full collection, and those came every six seconds. A
 * function that is passed as an argument is young like the rest.
 */
export function ask<Row extends pg.QueryResultRow>(
  target: pg.Pool | pg.PoolClient,
  query: string | PreparedStatement,
): Promise<pg.QueryResult<Row>> {
  return new Promise((resolve, reject) => {
    const done: Done<Row> = (error, result) => (error ? reject(error) : resolve(result))
    const asked = typeof query === 'string' ? query : new PreparedQuery(query)
    // Its types know no query of one's own beside a callback.
    ;(target as { query(query: unknown, values: undefined, done: Done<Row>): unknown }).query(asked, undefined, done)
  })
}
